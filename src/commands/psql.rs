//! `cli <id> psql [query]`

use std::ffi::OsString;

use super::Context;
use crate::{config::settings, error::Result, exit_code::ExitCode, model::id::AgentId, ops, output::table, process};

/// SQL in the agent's database as the agent's role; without a query an interactive psql
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The query, or a command of psql such as `\dt`
    query: Option<String>,
    /// The rows as a JSON array of objects of texts
    #[arg(long, requires = "query")]
    json: bool,
}

impl Args {
    /// Becomes psql; for `--json`, and for a query where there is no psql, asks the server itself.
    ///
    /// # Errors
    /// When the agent is not launched, the server refuses, or psql is needed and missing.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let progress = context.progress();
        let login = context.block_on(ops::psql::login(paths, id, &progress))?;
        let client = ops::psql::client(paths, id);
        match (self.query, client) {
            (Some(query), client) if self.json || client.is_err() => {
                let rows = context.block_on(ops::psql::rows(&login, &query))?;
                if self.json {
                    context.printer.json(&rows);
                } else {
                    for row in rows {
                        context.printer.answer(table::record(&row));
                    }
                }
                Ok(ExitCode::Ok)
            }
            (query, client) => {
                let agent = ops::agent::Agent::open(paths, id)?;
                // The user's own start-up file may print, page or ask; a query's answer is the rows.
                let mut command: Vec<OsString> = vec![client?.into_string().into()];
                if let Some(query) = query {
                    command.extend(["-X", "-P", "pager=off", "-v", "ON_ERROR_STOP=1", "-c"].map(OsString::from));
                    command.push(query.into());
                }
                let mut environment = ops::psql::environment(&login, &agent.record.base_env);
                if let Some(term) = context.environment().get("TERM") {
                    environment.insert("TERM".to_owned(), term.to_owned());
                }
                let directory = agent.directory_for_commands(settings::current_directory().ok());
                match process::replace::with(&command, &environment, &directory)? {}
            }
        }
    }
}

//! `cli <id> url`: where the agent's pages are.

use super::Context;
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId, ops};

/// Prints the URLs of the agent's pages, API, mailbox and objects
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Prints the URLs of agent `id`.
    ///
    /// # Errors
    /// When the agent is not launched or its record cannot be read.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let agent = ops::agent::Agent::open(context.paths()?, id)?;
        let urls = agent.urls();
        if self.json {
            context.printer.json(urls);
        } else {
            let width = urls.keys().map(String::len).max().unwrap_or(0);
            for (name, url) in urls {
                context.printer.answer(format_args!("{name:<width$}  {url}"));
            }
        }
        Ok(ExitCode::Ok)
    }
}

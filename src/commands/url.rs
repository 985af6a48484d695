//! `cli <id> url`: where the agent's pages are.

use super::Context;
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId, ops, store::registry::Registry};

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
        let paths = context.paths()?;
        let registry = Registry::read(&paths.registry())?;
        let urls = ops::agent::Agent::open(paths, id)?.pages(registry.infra());
        if self.json {
            context.printer.json(&urls);
        } else {
            let width = urls.keys().map(String::len).max().unwrap_or(0);
            for (name, url) in &urls {
                context.printer.answer(format_args!("{name:<width$}  {url}"));
            }
        }
        Ok(ExitCode::Ok)
    }
}

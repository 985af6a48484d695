//! `cli <id> restart [process…]`

use super::{Context, status::process_table};
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId, ops};

/// Restarts processes of the agent and waits until they are ready
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of processes; none means all
    processes: Vec<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Restarts and waits.
    ///
    /// # Errors
    /// When a name is unknown or a process does not become ready.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let status = context.block_on(ops::restart::agent(paths, id, &self.processes))?;
        if self.json {
            context.printer.json(&status);
        } else {
            context.printer.answer(process_table(&status.processes));
        }
        Ok(ExitCode::Ok)
    }
}

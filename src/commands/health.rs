//! `cli <id> health`: asks the app and every service as this agent.

use super::Context;
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId, ops, output::table};

/// Asks the app's health endpoints and every service, with the agent's own credentials
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Asks everything at once; exit code 1 unless all is well.
    ///
    /// # Errors
    /// When the agent is not launched.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let health = context.block_on(ops::health::of(paths, id))?;
        if self.json {
            context.printer.json(&health);
        } else {
            let rows = health.checks.iter().map(|check| {
                let verdict = if check.ok { "ok" } else { "not well" };
                [check.name.clone(), verdict.to_owned(), format!("{} ms", check.took_ms), check.detail.clone()]
            });
            context.printer.answer(table::render(["check", "verdict", "took", "detail"], rows));
        }
        Ok(if health.healthy { ExitCode::Ok } else { ExitCode::Unwell })
    }
}

//! `verify [id] [--full]`

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    model::id::AgentId,
    ops::verify::{self, Options, report::Verdict},
};

/// Runs the manifest's stages (typecheck, lint, tests) on the agent's tree; the verdict is one JSON object on stdout
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of the agent; left out inside its own worktree
    id: Option<AgentId>,
    /// Run the stages that are for --full only, too
    #[arg(long)]
    full: bool,
    /// The verdict always is JSON
    #[arg(long, hide = true)]
    json: bool,
}

impl Args {
    /// Runs the stages until one fails; exit code 1 when one did.
    ///
    /// # Errors
    /// When there is no verdict: the agent is not launched or being changed, or it was interrupted.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let id = context.id_or_own(self.id)?;
        let (paths, progress) = (context.paths()?, context.progress());
        let options = Options { full: self.full };
        let run = |stop| verify::verify(paths, context.environment(), id, options, &progress, stop);
        let report = context.serve(run)?;
        let seconds = format!("{}.{:03} s", report.total_duration_ms / 1000, report.total_duration_ms % 1000);
        match &report.first_error {
            None => progress.tell(format_args!("Agent {id}: verify passed in {seconds}.")),
            Some(error) => {
                progress.tell(format_args!("Agent {id}: verify failed at {} after {seconds}.", error.stage));
            }
        }
        context.printer.json(&report);
        Ok(if report.status == Verdict::Pass { ExitCode::Ok } else { ExitCode::Unwell })
    }
}

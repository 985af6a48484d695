//! `doctor`: what this machine has, and what is used.

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    ops::doctor::{self, Verdict},
    output::table,
};

/// Shows what is used on this machine and what is missing
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A JSON array
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Examines machine and project; exit code 3 when something is missing.
    ///
    /// # Errors
    /// When the infra's record cannot be read. Outside of a project only the machine is examined.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let project = context.project();
        let findings = context.block_on(doctor::examine(paths, project.as_ref().ok()))?;
        if self.json {
            context.printer.json(&findings);
        } else {
            let rows = findings.iter().map(|finding| {
                [
                    finding.what.clone(),
                    finding.verdict.word().to_owned(),
                    finding.detail.clone(),
                    finding.hint.clone().unwrap_or_default(),
                ]
            });
            context.printer.answer(table::render(["what", "verdict", "detail", "next"], rows));
            if let Err(error) = &project {
                context.printer.tell(format_args!("No project was examined: {}", error.chain()));
            }
        }
        let missing = findings.iter().any(|finding| finding.verdict == Verdict::Missing);
        Ok(if missing { ExitCode::Missing } else { ExitCode::Ok })
    }
}

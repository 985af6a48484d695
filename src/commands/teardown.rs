//! `teardown <id>`, `teardown --all`

use super::Context;
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId, ops};

/// Removes everything that `launch` made for an agent, and only that
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of the agent; may be left out inside the agent's own worktree
    #[arg(conflicts_with = "all")]
    id: Option<AgentId>,
    /// All agents of this user
    #[arg(long)]
    all: bool,
    /// A JSON array of what was removed
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Tears down and looks that nothing is left.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let progress = context.progress();
        let id = if self.all { None } else { Some(context.id_or_own(self.id)?) };
        let reports = context.block_on(async {
            match id {
                Some(id) => Ok(vec![ops::teardown::teardown(paths, id, &progress).await?]),
                None => ops::teardown::all(paths, &progress).await,
            }
        })?;
        if self.json {
            context.printer.json(&reports);
            return Ok(ExitCode::Ok);
        }
        for report in &reports {
            let text =
                if report.removed.is_empty() { "there was nothing".to_owned() } else { report.removed.join(", ") };
            context.printer.tell(format_args!("Agent {} is gone: {text}", report.id));
        }
        Ok(ExitCode::Ok)
    }
}

//! `teardown <id>`, `teardown --all`

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    model::id::AgentId,
    ops::teardown::{Orders, all, teardown},
};

/// Removes everything that `launch` made for an agent, and only that
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of the agent; may be left out inside the agent's own worktree
    #[arg(conflicts_with = "all")]
    id: Option<AgentId>,
    /// All agents of this user
    #[arg(long)]
    all: bool,
    /// Lose uncommitted work in the agent's worktree; commits are kept on their branch
    #[arg(long)]
    force: bool,
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
        let orders = Orders { paths, environment: context.environment(), force: self.force };
        let (reports, failures) = context.block_on(async {
            match id {
                Some(id) => Ok((vec![teardown(orders, id, &progress).await?], Vec::new())),
                None => all(orders, &progress).await,
            }
        })?;
        for (id, error) in &failures {
            context.printer.tell(format_args!("Agent {id} was not torn down."));
            context.printer.error(error);
        }
        let code = failures.first().map_or(ExitCode::Ok, |(_, error)| error.exit_code());
        if self.json {
            context.printer.json(&reports);
            return Ok(code);
        }
        for report in &reports {
            let text =
                if report.removed.is_empty() { "there was nothing".to_owned() } else { report.removed.join(", ") };
            context.printer.tell(format_args!("Agent {} is gone: {text}", report.id));
            for branch in &report.kept_branches {
                context.printer.tell(format_args!("The branch {branch} was kept: it has commits of its own."));
            }
        }
        Ok(code)
    }
}

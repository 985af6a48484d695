//! `launch <id>|next`

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    model::worktree::BranchName,
    ops::{
        self,
        launch::{Choice, Outcome},
        session,
        worktree::Wanted,
    },
};

#[expect(clippy::struct_excessive_bools, reason = "flags of a command line, each on its own")]
/// Launches one agent and waits until it is proven healthy; starts infra and builds the template if need be
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of the agent, or `next` for the first free one; may be left out inside the agent's own worktree
    #[arg(value_name = "ID")]
    id: Option<Choice>,
    /// In a git worktree of its own, at `worktree.dir` of the manifest, on the branch `agent-<id>`
    #[arg(long)]
    worktree: bool,
    /// The branch of the worktree: an existing one, one of a remote, or a new one
    #[arg(long, requires = "worktree", value_name = "NAME")]
    branch: Option<BranchName>,
    /// Take the variables that processes have of the launching shell (PATH, LANG, proxies …) from this shell anew
    #[arg(long)]
    refresh_env: bool,
    /// Bring an agent that runs up to today's manifest; processes whose entry changed are restarted
    #[arg(long)]
    update: bool,
    /// Start the coding agent of [session] in a tmux session `agent-<id>`, once the agent is healthy
    #[arg(long)]
    claude: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Launches.
    ///
    /// # Errors
    /// When a step fails; what was done is kept, and the same command goes on from there.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let id = match self.id {
            Some(choice) => choice,
            None => Choice::Id(context.id_or_own(None)?),
        };
        let project = context.project()?;
        let progress = context.progress();
        let options = ops::launch::Options {
            worktree: Wanted { worktree: self.worktree, branch: self.branch },
            refresh_env: self.refresh_env,
            update: self.update,
        };
        let report = context.block_on(async {
            if self.claude {
                session::check(&project, id.known()).await?;
            }
            let mut report = ops::launch::launch(&project, id, options, &progress).await?;
            if self.claude {
                report.session = Some(session::start(&project, report.id).await?);
            }
            Ok(report)
        })?;
        if self.json {
            context.printer.json(&report);
            return Ok(ExitCode::Ok);
        }
        match &report.outcome {
            Outcome::Launched { .. } => context.printer.tell(format_args!("Agent {} is healthy.", report.id)),
            Outcome::Unchanged { moved_on } if moved_on.is_empty() => {
                context.printer.tell(format_args!("Agent {} runs; nothing was changed.", report.id));
            }
            Outcome::Unchanged { moved_on } => {
                context.printer.tell(format_args!("Agent {} runs; nothing was changed. Since its launch:", report.id));
                for change in moved_on {
                    context.printer.tell(format_args!("  {change}"));
                }
            }
        }
        if let Some(session) = &report.session {
            let state = if session.started { "was started" } else { "runs already" };
            context.printer.tell(format_args!("Its session {} {state}. Attach: {}", session.name, session.attach));
        }
        for (name, url) in &report.urls {
            context.printer.answer(format_args!("{name}  {url}"));
        }
        Ok(ExitCode::Ok)
    }
}

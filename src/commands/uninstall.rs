//! `uninstall`, `uninstall --dry-run`

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    ops::{
        teardown::Orders,
        uninstall::{self, Plan},
    },
};

/// Removes everything of the harness that belongs to this user: agents, services with their data, what was obtained
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Lose uncommitted work in worktrees of agents and in the demo
    #[arg(long)]
    force: bool,
    /// One JSON object: what would be, or was, removed
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Uninstalls, or shows what would be removed.
    ///
    /// # Errors
    /// When work would be lost, or something cannot be removed.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let progress = context.progress();
        let orders = Orders { paths: context.paths()?, environment: context.environment(), force: self.force };
        let plan = uninstall::plan(orders)?;
        if self.dry_run {
            self.show(&plan, context);
            return Ok(ExitCode::Ok);
        }
        let removed = context.block_on(uninstall::uninstall(orders, &progress))?;
        for (id, error) in &removed.failures {
            context.printer.tell(format_args!("Agent {id} was not torn down, so the rest stays too."));
            context.printer.error(error);
        }
        if let Some((_, error)) = removed.failures.first() {
            return Ok(error.exit_code());
        }
        self.show(&plan, context);
        for directory in &removed.kept {
            context.printer.tell(format_args!("{directory} stays, because something else lies in it."));
        }
        context.printer.tell("What init wrote into projects, and the program itself, stay.");
        Ok(ExitCode::Ok)
    }

    fn show(&self, plan: &Plan, context: &Context) {
        if self.json {
            context.printer.json(plan);
            return;
        }
        let printer = &context.printer;
        for agent in &plan.agents {
            printer.answer(format_args!("agent {} of {}, in {}", agent.id, agent.project, agent.workdir));
        }
        if let Some(project) = &plan.infra_of {
            printer.answer(format_args!("the infra with all databases, objects and mails, set up by {project}"));
        }
        for directory in &plan.directories {
            printer.answer(directory);
        }
        if plan.directories.is_empty() {
            printer.tell("There is nothing.");
        }
    }
}

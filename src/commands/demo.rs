//! `demo`, `demo --stop`

use super::Context;
use crate::{error::Result, exit_code::ExitCode, ops::demo};

/// Runs the example app twice, on infrastructure of its own; `--stop` removes every trace
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove the demo: agents, databases, objects, mails, the unpacked example
    #[arg(long)]
    stop: bool,
    /// With --stop: remove the unpacked example even if it was edited
    #[arg(long, requires = "stop")]
    force: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Starts or stops the demo.
    ///
    /// # Errors
    /// When something needed cannot be had, a step fails, or edits would be lost.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        if self.stop { self.stop(context) } else { self.start(context) }
    }

    fn start(&self, context: &Context) -> Result<ExitCode> {
        let (paths, progress) = (context.paths()?, context.progress());
        let demo = context.block_on(demo::start(paths, context.environment(), &progress))?;
        if self.json {
            context.printer.json(&demo);
            return Ok(ExitCode::Ok);
        }
        for agent in &demo.agents {
            for (name, url) in &agent.urls {
                context.printer.answer(format_args!("agent {}  {name:<10} {url}", agent.id));
            }
        }
        let first = demo.agents.first().map_or_else(String::new, |agent| agent.id.to_string());
        context.printer.tell("");
        context.printer.tell(format_args!("The app is in {}; there, try next:", demo.checkout));
        for command in [
            format!("agent-harness cli {first} status"),
            format!("agent-harness cli {first} logs api"),
            format!("agent-harness cli {first} psql 'select count(*) from orders'"),
            "agent-harness launch next".to_owned(),
            "agent-harness demo --stop".to_owned(),
        ] {
            context.printer.tell(format_args!("  {command}"));
        }
        Ok(ExitCode::Ok)
    }

    fn stop(&self, context: &Context) -> Result<ExitCode> {
        let (paths, progress) = (context.paths()?, context.progress());
        let stopped = context.block_on(demo::stop(paths, context.environment(), self.force, &progress))?;
        if self.json {
            context.printer.json(&stopped);
            return Ok(ExitCode::Ok);
        }
        match &stopped.infra_kept_for {
            Some(project) => {
                context.printer.tell(format_args!("The demo is gone; the infra stays, because {project} uses it."));
            }
            None => context
                .printer
                .tell(format_args!("The demo is gone. What was obtained stays in {} for the next time.", paths.cache)),
        }
        Ok(ExitCode::Ok)
    }
}

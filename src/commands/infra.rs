//! `infra status|logs|stop|start`

use super::{Context, logs, setup_infra, status::process_table};
use crate::{
    error::Result,
    exit_code::ExitCode,
    model::stack::StackName,
    ops::{
        setup,
        status::{self, Overall},
    },
};

/// The shared services
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: InfraCommand,
}

#[derive(Debug, clap::Subcommand)]
enum InfraCommand {
    /// Shows the services, asked from their supervisor and the kernel
    Status {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Shows the last lines of the services' logs
    Logs(logs::Args),
    /// Stops the services; databases, objects and mails stay
    Stop,
    /// Starts the services and builds the template if need be; the same as `setup-infra`
    Start(setup_infra::Args),
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// When a service cannot be asked, stopped or started.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        match self.command {
            InfraCommand::Status { json } => show(json, context),
            InfraCommand::Logs(args) => args.run_stack(StackName::Infra, context),
            InfraCommand::Stop => {
                let stopped = context.block_on(setup::stop(context.paths()?))?;
                context.printer.tell(if stopped {
                    "The infra is stopped; its data stays."
                } else {
                    "The infra did not run."
                });
                Ok(ExitCode::Ok)
            }
            InfraCommand::Start(args) => args.run(context),
        }
    }
}

fn show(json: bool, context: &Context) -> Result<ExitCode> {
    let paths = context.paths()?;
    let stack = context.block_on(status::stack(paths, StackName::Infra))?;
    let state = stack.as_ref().map_or(Overall::Down, |stack| Overall::of(&stack.processes));
    let processes = stack.map(|stack| stack.processes).unwrap_or_default();
    if json {
        context.printer.json(&serde_json::json!({ "state": state, "processes": processes }));
    } else {
        context.printer.answer(format_args!("infra: {state}"));
        context.printer.answer(process_table(&processes));
    }
    if state == Overall::Down {
        context.printer.tell("The infra does not run; it is started by: agent-harness setup-infra");
    }
    Ok(if state == Overall::Running { ExitCode::Ok } else { ExitCode::Unwell })
}

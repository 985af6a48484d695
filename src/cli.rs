//! The top-level command line. Only dispatches: what a command takes and does stands in its own file.

use clap::{Parser, Subcommand};

use crate::{
    commands::{Context, schema, serve, supervise},
    error::Result,
    exit_code::ExitCode,
    output::printer::Printer,
};

/// A whole copy of a web app for every coding agent, on one machine.
#[derive(Debug, Parser)]
#[command(name = "agent-harness", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Schema(schema::Args),
    #[command(hide = true)]
    Serve(serve::Args),
    #[command(hide = true)]
    Supervise(supervise::Args),
}

impl Command {
    fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Self::Schema(args) => args.run(context),
            Self::Serve(args) => args.run(context),
            Self::Supervise(args) => args.run(context),
        }
    }
}

/// Parses argv, runs the command, prints the error if there is one.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let printer = Printer::new();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return printer.usage(&error).into(),
    };
    let context = Context::new(printer);
    match cli.command.run(&context) {
        Ok(code) => code.into(),
        Err(error) => {
            context.printer.error(&error);
            error.exit_code().into()
        }
    }
}

//! The top-level command line. Only dispatches: what a command takes and does stands in its own file.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        Context,
        agent::{AgentCommand, CliArgs, WithId},
        attach, demo, doctor, exec, guard, health, infra, init, launch, logs, ls, own_id, psql, restart, run_session,
        schema, serve, setup_infra, slow_queries, stats, status, supervise, teardown, template, uninstall, url, verify,
    },
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
    Init(init::Args),
    SetupInfra(setup_infra::Args),
    Launch(launch::Args),
    Verify(verify::Args),
    Teardown(teardown::Args),
    Ls(ls::Args),
    /// Runs a command for one agent
    Cli(CliArgs),
    Status(WithId<status::Args>),
    Logs(WithId<logs::Args>),
    Health(WithId<health::Args>),
    Url(WithId<url::Args>),
    Restart(WithId<restart::Args>),
    Psql(WithId<psql::Args>),
    Stats(WithId<stats::Args>),
    SlowQueries(WithId<slow_queries::Args>),
    Exec(WithId<exec::Args>),
    Attach(WithId<attach::Args>),
    Infra(infra::Args),
    Demo(demo::Args),
    Doctor(doctor::Args),
    Template(template::Args),
    Uninstall(uninstall::Args),
    Schema(schema::Args),
    #[command(hide = true)]
    Serve(serve::Args),
    #[command(hide = true)]
    Guard(guard::Args),
    #[command(hide = true)]
    Supervise(supervise::Args),
    #[command(hide = true)]
    RunSession(run_session::Args),
}

impl Command {
    fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Self::Init(args) => args.run(context),
            Self::SetupInfra(args) => args.run(context),
            Self::Launch(args) => args.run(context),
            Self::Verify(args) => args.run(context),
            Self::Teardown(args) => args.run(context),
            Self::Guard(args) => args.run(context),
            Self::Ls(args) => args.run(context),
            Self::Cli(args) => args.run(context),
            Self::Status(WithId { id, args }) => AgentCommand::Status(args).run(id, context),
            Self::Logs(WithId { id, args }) => AgentCommand::Logs(args).run(id, context),
            Self::Health(WithId { id, args }) => AgentCommand::Health(args).run(id, context),
            Self::Url(WithId { id, args }) => AgentCommand::Url(args).run(id, context),
            Self::Restart(WithId { id, args }) => AgentCommand::Restart(args).run(id, context),
            Self::Psql(WithId { id, args }) => AgentCommand::Psql(args).run(id, context),
            Self::Stats(WithId { id, args }) => AgentCommand::Stats(args).run(id, context),
            Self::SlowQueries(WithId { id, args }) => AgentCommand::SlowQueries(args).run(id, context),
            Self::Exec(WithId { id, args }) => AgentCommand::Exec(args).run(id, context),
            Self::Demo(args) => args.run(context),
            Self::Doctor(args) => args.run(context),
            Self::Infra(args) => args.run(context),
            Self::Template(args) => args.run(context),
            Self::Uninstall(args) => args.run(context),
            Self::Schema(args) => args.run(context),
            Self::Serve(args) => args.run(context),
            Self::Supervise(args) => args.run(context),
            Self::RunSession(args) => args.run(context),
            Self::Attach(WithId { id, args }) => args.run(id, context),
        }
    }
}

/// Parses argv, runs the command, prints the error if there is one.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let context = Context::new(Printer::new());
    if let Err(error) = context.enter_checkout() {
        context.printer.error(&error);
        return error.exit_code().into();
    }
    let args: Vec<_> = std::env::args_os().collect();
    // Without a project or a registry there is no agent that could be meant.
    let cli: Cli = match own_id::parse(&args, || context.own_id().ok().flatten()) {
        Ok(cli) => cli,
        Err(error) => return context.printer.usage(&error).into(),
    };
    match cli.command.run(&context) {
        Ok(code) => code.into(),
        Err(error) => {
            context.printer.error(&error);
            error.exit_code().into()
        }
    }
}

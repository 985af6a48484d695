//! The commands of one agent: `cli <id> <command>`, and the same at the top level as `<command> <id>`.

use clap::Subcommand;

use super::{Context, exec, health, logs, own_id, psql, restart, slow_queries, stats, status, url};
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId};

/// `cli <id> <command>`
#[derive(Debug, clap::Args)]
pub struct CliArgs {
    /// Id of the agent
    id: AgentId,
    #[command(subcommand)]
    command: AgentCommand,
}

impl CliArgs {
    /// Runs the command for the agent.
    ///
    /// # Errors
    /// What the command returns.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        self.command.run(self.id, context)
    }
}

/// A command at the top level, with the agent's id before its own arguments.
#[derive(Debug, clap::Args)]
pub struct WithId<A: clap::Args> {
    /// Id of the agent; may be left out inside the agent's own worktree
    #[arg(id = own_id::ARGUMENT, value_name = "ID")]
    pub id: AgentId,
    /// The command's own arguments.
    #[command(flatten)]
    pub args: A,
}

/// What can be asked of one agent. The variants' help is that of their `Args`.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a doc here would replace the help of the command's own Args")]
pub enum AgentCommand {
    Status(status::Args),
    Logs(logs::Args),
    Health(health::Args),
    Url(url::Args),
    Restart(restart::Args),
    Psql(psql::Args),
    Stats(stats::Args),
    SlowQueries(slow_queries::Args),
    Exec(exec::Args),
}

impl AgentCommand {
    /// Runs the command for agent `id`.
    ///
    /// # Errors
    /// What the command returns.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        match self {
            Self::Status(args) => args.run(id, context),
            Self::Logs(args) => args.run(id, context),
            Self::Health(args) => args.run(id, context),
            Self::Url(args) => args.run(id, context),
            Self::Restart(args) => args.run(id, context),
            Self::Psql(args) => args.run(id, context),
            Self::Stats(args) => args.run(id, context),
            Self::SlowQueries(args) => args.run(id, context),
            Self::Exec(args) => args.run(id, context),
        }
    }
}

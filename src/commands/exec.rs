//! `cli <id> exec <command…>`: a command with exactly the environment of the agent's processes.

use super::Context;
use crate::{config, error::Result, exit_code::ExitCode, model::id::AgentId, ops::agent::Agent, process};

/// Runs a command with exactly the environment of the agent's processes, in its workdir
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

impl Args {
    /// Becomes the command, so its exit code, signals and terminal are its own.
    ///
    /// # Errors
    /// When the agent is not launched, or the command cannot be executed.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let agent = Agent::open(context.paths()?, id)?;
        let directory = agent.directory_for_commands(config::settings::current_directory().ok());
        match process::replace::with(&self.command, &agent.environment(), &directory)? {}
    }
}

//! `attach <id>`: an agent's terminal session in this terminal.

use std::{
    ffi::OsString,
    io::{stdin, stdout},
};

use rustix::termios::isatty;

use super::Context;
use crate::{
    config::settings,
    error::Result,
    exit_code::ExitCode,
    model::id::AgentId,
    ops::session::{self, SessionError},
    process,
};

/// Shows the tmux session of an agent's coding agent in this terminal
///
/// `launch <ID> --claude` starts it. Inside of the same tmux the terminal is switched over to it.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Becomes tmux.
    ///
    /// # Errors
    /// When there is no terminal or no session.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let (argv, env) = context.block_on(session::attach(context.paths()?, id, context.environment()))?;
        if !isatty(stdin()) || !isatty(stdout()) {
            return Err(SessionError::NoTerminal.into());
        }
        let argv: Vec<OsString> = argv.into_iter().map(OsString::from).collect();
        match process::replace::with(&argv, &env, &settings::current_directory()?)? {}
    }
}

//! `run-session <file>`: what tmux executes; becomes the coding agent.

use std::ffi::OsString;

use camino::Utf8PathBuf;

use super::Context;
use crate::{error::Result, exit_code::ExitCode, ops::session, process};

/// Becomes what the file says
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File of the session
    file: Utf8PathBuf,
}

impl Args {
    /// Becomes the command.
    ///
    /// # Errors
    /// When the file cannot be read or the command not be executed.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let (argv, env, cwd) = session::command(&self.file, context.environment())?;
        // tmux moves the first line out of sight when a command fails: let it not be the one that says why.
        context.printer.tell(format_args!("{}: {}", cwd, argv.join(" ")));
        let argv: Vec<OsString> = argv.into_iter().map(OsString::from).collect();
        match process::replace::with(&argv, &env, &cwd)? {}
    }
}

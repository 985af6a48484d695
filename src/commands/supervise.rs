//! `supervise <stack directory>`: the supervisor of one stack, in the foreground.

use camino::Utf8PathBuf;

use super::Context;
use crate::{error::Result, exit_code::ExitCode};

/// Supervises one stack
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of the stack
    stack_dir: Utf8PathBuf,
}

impl Args {
    /// Supervises until the stack is stopped.
    ///
    /// # Errors
    /// When the stack's specification cannot be read or its keeper not be reached.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        todo!("{self:?} {context:?}")
    }
}

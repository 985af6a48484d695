//! `guard <locks> <lock> <mark>`: what `verify` starts to end its tasks should it be killed.

use camino::Utf8PathBuf;

use super::Context;
use crate::{error::Result, exit_code::ExitCode, ops::verify::guard};

/// Ends the tasks of a verify that was killed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of the locks
    locks: Utf8PathBuf,
    /// Name of the agent's lock
    lock: String,
    /// Mark of the processes to end
    mark: String,
}

impl Args {
    /// Waits for the word on stdin that all is well, or for its end.
    ///
    /// # Errors
    /// When what was left cannot be ended.
    pub fn run(self, _: &Context) -> Result<ExitCode> {
        guard::stand(&self.locks, &self.lock, &self.mark)?;
        Ok(ExitCode::Ok)
    }
}

//! `supervise <stack directory>`: the supervisor of one stack, in the foreground.

use std::os::fd::AsFd as _;

use camino::Utf8PathBuf;

use super::Context;
use crate::{
    config::paths::StackDir,
    error::Result,
    exit_code::ExitCode,
    supervise::{self, SuperviseError},
};

/// Supervises one stack
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of the stack
    stack_dir: Utf8PathBuf,
    /// Keep its processes for the supervisor on the other end of stdin
    #[arg(long, hide = true)]
    keeper: bool,
}

impl Args {
    /// Supervises until the stack is stopped.
    ///
    /// # Errors
    /// When the stack's specification cannot be read or its keeper not be reached.
    pub fn run(self, _: &Context) -> Result<ExitCode> {
        let directory = StackDir::new(self.stack_dir);
        if self.keeper {
            let supervisor = std::io::stdin().as_fd().try_clone_to_owned().map_err(SuperviseError::Keeper)?;
            supervise::keep(&directory, supervisor)?;
        } else {
            supervise::run(&directory)?;
        }
        Ok(ExitCode::Ok)
    }
}

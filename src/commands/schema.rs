//! `schema`: prints the JSON schema or the commented example of the manifest.

use super::Context;
use crate::{config::reference, error::Result, exit_code::ExitCode};

/// Print the JSON schema of agent-harness/harness.toml
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print an example that shows and explains every key instead
    #[arg(long)]
    example: bool,
}

impl Args {
    /// Prints it.
    ///
    /// # Errors
    /// Never.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        if self.example {
            context.printer.answer(reference::DEFAULT_TOML.trim_end());
        } else {
            context.printer.answer(reference::schema().trim_end());
        }
        Ok(ExitCode::Ok)
    }
}

//! `serve browser`

use camino::Utf8PathBuf;

use crate::{commands::Context, error::Result, exit_code::ExitCode};

/// Headless browser gateway on loopback
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of the service's data and of the files that say who may use it
    #[arg(long)]
    root: Utf8PathBuf,
    /// Port of the gateway
    #[arg(long)]
    port: u16,
    /// The Chromium or headless shell to start
    #[arg(long)]
    chromium: Utf8PathBuf,
    /// Sessions at once
    #[arg(long)]
    max_sessions: usize,
}

impl Args {
    /// Serves until SIGTERM.
    ///
    /// # Errors
    /// When the service cannot start.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        todo!("{self:?} {context:?}")
    }
}

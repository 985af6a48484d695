//! `serve mail`

use camino::Utf8PathBuf;

use crate::{commands::Context, error::Result, exit_code::ExitCode};

/// SMTP, API and page on loopback
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of the service's data and of the files that say who may use it
    #[arg(long)]
    root: Utf8PathBuf,
    /// Port of SMTP
    #[arg(long)]
    smtp_port: u16,
    /// Port of the API and the page
    #[arg(long)]
    web_port: u16,
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

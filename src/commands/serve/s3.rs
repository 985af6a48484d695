//! `serve s3`

use camino::Utf8PathBuf;

use crate::{
    commands::Context,
    error::Result,
    exit_code::ExitCode,
    infra::embedded::s3::{self, Options},
};

/// S3 on loopback
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of the service's data and of the files that say who may use it
    #[arg(long)]
    root: Utf8PathBuf,
    /// Port of the S3 API
    #[arg(long)]
    port: u16,
    /// Port of the object browser
    #[arg(long)]
    console_port: u16,
}

impl Args {
    /// Serves until SIGTERM.
    ///
    /// # Errors
    /// When the service cannot start.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let options = Options { root: self.root, port: self.port, console_port: self.console_port };
        s3::serve(&options, &context.printer)?;
        Ok(ExitCode::Ok)
    }
}

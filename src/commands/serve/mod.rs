//! `serve s3|mail|browser`: the embedded services, run by the stack `infra`.

pub mod browser;
pub mod mail;
pub mod s3;

use super::Context;
use crate::{error::Result, exit_code::ExitCode};

/// Runs one embedded service in the foreground.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, clap::Subcommand)]
enum Service {
    S3(s3::Args),
    Mail(mail::Args),
    Browser(browser::Args),
}

impl Args {
    /// Serves until SIGTERM.
    ///
    /// # Errors
    /// When the service cannot start.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        match self.service {
            Service::S3(args) => args.run(context),
            Service::Mail(args) => args.run(context),
            Service::Browser(args) => args.run(context),
        }
    }
}

//! `serve mail`

use camino::Utf8PathBuf;

use crate::{commands::Context, error::Result, exit_code::ExitCode, infra::embedded::mail, process::memory};

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
    /// When a port is taken or the data cannot be used.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        // Its own loop: SIGTERM is how a service is told to end, and no interruption of a command.
        let runtime = memory::trimmed(tokio::runtime::Builder::new_current_thread().enable_all())
            .map_err(mail::MailError::Runtime)?;
        runtime.block_on(mail::serve(self.root, self.smtp_port, self.web_port, context.printer.clone()))?;
        Ok(ExitCode::Ok)
    }
}

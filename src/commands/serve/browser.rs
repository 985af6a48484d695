//! `serve browser`

use std::time::Duration;

use camino::Utf8PathBuf;

use crate::{
    commands::Context,
    config::environment::Environment,
    error::Result,
    exit_code::ExitCode,
    infra::embedded::browser::{Gateway, Limits},
};

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
    /// Requests that may wait for a session to end
    #[arg(long, default_value_t = 20)]
    max_queued: usize,
    /// Seconds that such a request waits before it is answered with 429
    #[arg(long, default_value_t = 20)]
    queue_seconds: u64,
}

impl Args {
    /// Serves until SIGTERM.
    ///
    /// # Errors
    /// When the service cannot start.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let limits = Limits {
            sessions: self.max_sessions,
            queue: self.max_queued,
            patience: Duration::from_secs(self.queue_seconds),
        };
        context.serve(async |stop| {
            let env = Environment::of_this_process();
            let printer = context.printer.clone();
            let opening = Gateway::open(&self.root, self.port, &self.chromium, limits, &env, printer);
            let gateway = tokio::select! {
                gateway = opening => gateway?,
                () = stop.cancelled() => return Ok(ExitCode::Ok),
            };
            context.printer.tell("ready");
            gateway.serve(stop).await;
            Ok(ExitCode::Ok)
        })
    }
}

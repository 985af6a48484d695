//! What every command is given.

use std::{cell::OnceCell, future::Future};

use tokio_util::sync::CancellationToken;

use crate::{
    config::{env_names, environment::Environment, paths::Paths, settings},
    error::{Diagnose, Result},
    exit_code::ExitCode,
    ops::project::Project,
    output::{printer::Printer, progress::Progress},
    process::memory,
};

/// Handed to every command's `run`.
#[derive(Debug)]
pub struct Context {
    /// The door to the terminal.
    pub printer: Printer,
    environment: Environment,
    paths: OnceCell<Paths>,
}

/// The command was ended by a signal, or its runtime could not be started.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("interrupted")]
    Interrupted,
    #[error("cannot start the event loop")]
    Runtime(#[source] std::io::Error),
}

impl Diagnose for RunError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::Interrupted,
            Self::Runtime(_) => ExitCode::Internal,
        }
    }
}

impl Context {
    /// A context that prints through `printer`.
    #[must_use]
    pub fn new(printer: Printer) -> Self {
        Self { printer, environment: Environment::of_this_process(), paths: OnceCell::new() }
    }

    /// State and cache of this user.
    ///
    /// # Errors
    /// When nothing says where they are.
    pub fn paths(&self) -> Result<&Paths> {
        if let Some(paths) = self.paths.get() {
            return Ok(paths);
        }
        let paths = settings::paths(&self.environment)?;
        Ok(self.paths.get_or_init(|| paths))
    }

    /// Enters the checkout of the script that called this command, if one did; see [`settings::enter`].
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn enter_checkout(&self) -> Result<()> {
        let Some(checkout) = self.environment.get(env_names::CHECKOUT) else { return Ok(()) };
        Ok(settings::enter(camino::Utf8Path::new(checkout))?)
    }

    /// The environment of this command.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The project of the current directory.
    ///
    /// # Errors
    /// When there is none, or its manifest does not load.
    pub fn project(&self) -> Result<Project> {
        Project::here(&self.environment, self.paths()?)
    }

    /// Shows steps on stderr.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress::new(self.printer.clone())
    }

    /// Runs `work` on an event loop of one thread. SIGINT and SIGTERM drop it, and with it every outside command it
    /// waits for ([`crate::process::cmd::Cmd`] ends its whole group), then the exit code is 130.
    ///
    /// # Errors
    /// What `work` returns, or that it was interrupted.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Runtime)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Runtime)?;
            tokio::select! {
                result = work => result,
                _ = interrupt.recv() => Err(RunError::Interrupted.into()),
                _ = terminate.recv() => Err(RunError::Interrupted.into()),
            }
        })
    }

    /// Runs a service on an event loop of one thread. SIGINT and SIGTERM cancel the token that `work` is given; it then
    /// ends what it has begun and returns by itself.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn serve<T, F: Future<Output = Result<T>>>(&self, work: impl FnOnce(CancellationToken) -> F) -> Result<T> {
        let runtime = memory::trimmed(tokio::runtime::Builder::new_current_thread().enable_all());
        let runtime = runtime.map_err(RunError::Runtime)?;
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Runtime)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Runtime)?;
            let stop = CancellationToken::new();
            let told = async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                stop.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                result = work(stop.clone()) => result,
                () = told => Err(RunError::Interrupted.into()),
            }
        })
    }
}

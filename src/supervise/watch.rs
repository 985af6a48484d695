//! Restart on change: tells when the content of a process's source files changed.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{error::Diagnose, exit_code::ExitCode, model::stack::Watch};

/// Watches what one process is made of.
#[derive(Debug)]
pub struct Watcher {}

/// Files whose content is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The files, sorted, at most [`SHOWN`] of them.
    pub paths: Vec<Utf8PathBuf>,
    /// How many there are.
    pub count: usize,
}

/// How many paths a [`Changed`] names.
pub const SHOWN: usize = 20;

/// Files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A pattern is no glob.
    #[error("{glob:?} is no glob")]
    Glob {
        /// The pattern.
        glob: String,
        /// Why.
        source: ignore::Error,
    },
    /// The kernel gives no notice of changes.
    #[error("cannot watch {path}")]
    Kernel {
        /// The file or folder.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Diagnose for WatchError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Glob { .. } => ExitCode::Usage,
            Self::Kernel { .. } => ExitCode::StepFailed,
        }
    }
}

impl Watcher {
    /// Begins to watch; the state of the files now is what later states are compared to. Must be made inside the
    /// event loop.
    ///
    /// # Errors
    /// When a glob is none, or the kernel gives no watches.
    pub fn start(watch: &Watch, cwd: &Utf8Path) -> Result<Self, WatchError> {
        tracing_placeholder(watch, cwd);
        Ok(Self {})
    }

    /// Waits until contents changed and then nothing more happened for the debounce time. Cancelling it loses
    /// nothing.
    ///
    /// # Errors
    /// When the kernel's notices cannot be read.
    pub async fn changed(&mut self) -> Result<Changed, WatchError> {
        std::future::pending().await
    }
}

fn tracing_placeholder(_: &Watch, _: &Utf8Path) {}

//! What can go wrong with state on disk.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Diagnose for StoreError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Write { .. } => ExitCode::StepFailed,
        }
    }
}

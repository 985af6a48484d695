//! What can go wrong while a tree is brought elsewhere.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode};

/// A tree could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A glob of `[worktree]` is none.
    #[error("{glob:?} is no glob")]
    Glob {
        /// The text.
        glob: String,
        /// Why.
        source: ignore::Error,
    },
    /// A file or folder could not be handled.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A thread could not be had.
    #[error("cannot bring the files")]
    Thread(#[from] std::io::Error),
}

impl TreeError {
    pub(super) fn file(act: &'static str, path: impl Into<Utf8PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }
}

impl Diagnose for TreeError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Glob { .. } => ExitCode::Usage,
            Self::File { .. } | Self::Thread(_) => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Glob { .. } => Some("correct [worktree] in harness.toml".to_owned()),
            Self::File { .. } | Self::Thread(_) => None,
        }
    }
}

//! What can go wrong with the example.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode, process::cmd::CmdError, store::StoreError};

/// The example could not be unpacked or looked at.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// There is no git.
    #[error("git is not in PATH")]
    NoGit,
    /// A git command failed.
    #[error("cannot use the repository at {path}")]
    Git {
        /// The repository.
        path: Utf8PathBuf,
        /// Why.
        source: CmdError,
    },
    /// A file or folder could not be read, written or moved.
    #[error("cannot unpack the example at {path}")]
    Io {
        /// The file or folder.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The note of what was unpacked could not be kept.
    #[error("cannot note what was unpacked")]
    Note(#[source] StoreError),
    /// Something else lies where the example belongs.
    #[error("{path} is there already and is not the example")]
    Foreign {
        /// The place.
        path: Utf8PathBuf,
    },
}

impl Diagnose for ExampleError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoGit => ExitCode::Missing,
            Self::Git { source, .. } => source.exit_code(),
            Self::Io { .. } | Self::Note(_) => ExitCode::StepFailed,
            Self::Foreign { .. } => ExitCode::Conflict,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoGit => Some("apt-get install git".to_owned()),
            Self::Foreign { path } => Some(format!("mv {path} {path}.old")),
            Self::Git { .. } | Self::Io { .. } | Self::Note(_) => None,
        }
    }
}

//! Why there is no verdict.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode};

/// `verify` could not come to a verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The manifest has nothing to run.
    #[error("{manifest} has no [[verify.stage]]")]
    NoStages {
        /// The manifest.
        manifest: Utf8PathBuf,
    },
    /// Every stage is for `--full` only.
    #[error("every [[verify.stage]] of {manifest} is for --full only")]
    OnlyFull {
        /// The manifest.
        manifest: Utf8PathBuf,
    },
    /// A signal ended it.
    #[error("interrupted: there is no verdict")]
    Interrupted,
    /// The kernel does not tell how much memory there is.
    #[error("cannot see how much memory there is")]
    Memory(#[source] std::io::Error),
    /// The guard could not be started or waited for.
    #[error("cannot start the guard that ends the tasks if verify is killed")]
    Guard(#[source] std::io::Error),
}

impl Diagnose for VerifyError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoStages { .. } | Self::OnlyFull { .. } => ExitCode::Usage,
            Self::Interrupted => ExitCode::Interrupted,
            Self::Memory(_) | Self::Guard(_) => ExitCode::Missing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoStages { .. } => Some("agent-harness schema --example, for how stages are written".to_owned()),
            Self::OnlyFull { .. } => Some("agent-harness verify <id> --full".to_owned()),
            Self::Interrupted | Self::Memory(_) | Self::Guard(_) => None,
        }
    }
}

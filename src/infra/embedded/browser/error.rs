//! Why the browser gateway cannot serve.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode, process::ProcessError};

/// A failure of the gateway or of one session.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The port cannot be listened on.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// Another gateway uses the same directory.
    #[error("another browser gateway uses {root}")]
    InUse {
        /// The directory.
        root: Utf8PathBuf,
    },
    /// A directory or file cannot be made or removed.
    #[error("cannot change {path}")]
    Disk {
        /// Where.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Chromium cannot be started or ended.
    #[error("cannot run the browser")]
    Process(#[source] ProcessError),
    /// Chromium was started but does not work.
    #[error("{program} does not work: {why}")]
    Unusable {
        /// The program.
        program: Utf8PathBuf,
        /// What was seen.
        why: String,
    },
}

impl From<ProcessError> for BrowserError {
    fn from(error: ProcessError) -> Self {
        Self::Process(error)
    }
}

impl Diagnose for BrowserError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Listen { .. } | Self::InUse { .. } => ExitCode::Conflict,
            Self::Unusable { .. } => ExitCode::Missing,
            Self::Disk { .. } => ExitCode::StepFailed,
            Self::Process(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unusable { .. } => Some("agent-harness doctor".to_owned()),
            Self::Listen { port, .. } => Some(crate::process::sockets::reveal_command(*port)),
            Self::InUse { .. } | Self::Disk { .. } | Self::Process(_) => None,
        }
    }
}

//! What can go wrong between a client and a supervisor.

use camino::Utf8PathBuf;

use super::protocol::Refusal;
use crate::{error::Diagnose, exit_code::ExitCode};

/// A failure on the wire.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket is there but nobody could be reached through it for another reason than absence.
    #[error("cannot reach the supervisor at {path}")]
    Connect {
        /// The socket.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The supervisor went away during the conversation.
    #[error("the supervisor at {path} went away before it answered")]
    Gone {
        /// The socket.
        path: Utf8PathBuf,
    },
    /// Reading or writing failed.
    #[error("cannot speak to the supervisor at {path}")]
    Io {
        /// The socket.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("the supervisor at {path} gave no answer within {} s", .limit.as_secs())]
    Silent {
        /// The socket.
        path: Utf8PathBuf,
        /// How long was waited.
        limit: std::time::Duration,
    },
    /// An answer that is none.
    #[error("the supervisor at {path} answered something unexpected: {text}")]
    Unexpected {
        /// The socket.
        path: Utf8PathBuf,
        /// The beginning of what it sent, or what was wrong with it.
        text: String,
    },
    /// Another protocol.
    #[error("the supervisor of {stack} (pid {pid}) is of version {theirs}, this program of {ours}")]
    Version {
        /// The stack.
        stack: crate::model::stack::StackName,
        /// The supervisor's pid.
        pid: u32,
        /// Its program version.
        theirs: String,
        /// Ours.
        ours: &'static str,
    },
    /// The supervisor refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Diagnose for WireError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Connect { .. } | Self::Gone { .. } | Self::Io { .. } | Self::Silent { .. } => ExitCode::StepFailed,
            Self::Unexpected { .. } => ExitCode::Internal,
            Self::Version { .. } => ExitCode::Conflict,
            Self::Refused(refusal) => match refusal {
                Refusal::Malformed(_) => ExitCode::Internal,
                Refusal::UnknownProcess { .. } | Refusal::BadSpec(_) => ExitCode::Usage,
                Refusal::Failed(_) => ExitCode::StepFailed,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Version { .. } => Some("use the program version that started it".to_owned()),
            Self::Connect { .. }
            | Self::Gone { .. }
            | Self::Io { .. }
            | Self::Silent { .. }
            | Self::Unexpected { .. }
            | Self::Refused(_) => None,
        }
    }
}

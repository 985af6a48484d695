//! What ends a supervisor or a keeper.

use camino::Utf8PathBuf;

use crate::{
    error::Diagnose, exit_code::ExitCode, model::order::OrderError, process::ProcessError,
    process::follow::FollowError, store::StoreError,
};

/// A supervisor or keeper cannot go on. The processes of the stack live on.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// Another supervisor has this stack.
    #[error("another supervisor has the stack in {path}")]
    Held {
        /// Its directory.
        path: Utf8PathBuf,
    },
    /// A file of the stack cannot be used.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The specification is none.
    #[error("{path} is no specification of a stack")]
    Spec {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The processes cannot be ordered.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A pattern of readiness is no regular expression.
    #[error("the readiness pattern of process {process} is no regular expression")]
    Pattern {
        /// The process.
        process: String,
        /// Why.
        source: Box<regex::Error>,
    },
    /// A socket cannot be used.
    #[error("cannot listen on {path}")]
    Socket {
        /// The socket.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The keeper cannot be reached.
    #[error("cannot speak to the keeper")]
    Keeper(#[source] std::io::Error),
    /// The event loop could not be made.
    #[error("cannot start the event loop")]
    Loop(#[source] std::io::Error),
    /// The kernel refused.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Output cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The record cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Diagnose for SuperviseError {
    fn exit_code(&self) -> ExitCode {
        match self {
            // `supervisor::builtin` knows by this that another one will answer.
            Self::Held { .. } => ExitCode::Conflict,
            Self::File { .. } | Self::Socket { .. } | Self::Keeper(_) | Self::Loop(_) => ExitCode::StepFailed,
            Self::Spec { .. } => ExitCode::Internal,
            Self::Order(_) | Self::Pattern { .. } => ExitCode::Usage,
            Self::Process(error) => error.exit_code(),
            Self::Follow(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
        }
    }
}

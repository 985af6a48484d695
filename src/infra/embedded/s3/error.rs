//! What can go wrong in storage and at start.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode};

/// A request that storage refuses, or a failure of the disk below it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("the key does not exist")]
    NoSuchKey,
    #[error("the bucket was deleted")]
    NoSuchBucket,
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    #[error("the upload does not exist")]
    NoSuchUpload,
    #[error("a condition of the request does not hold")]
    PreconditionFailed,
    #[error("part {0} is missing or has another ETag")]
    InvalidPart(i32),
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    #[error("part {0} is smaller than 5 MiB and not the last one")]
    PartTooSmall(i32),
    #[error("a checksum of the request is not that of the content")]
    BadDigest,
    #[error("the whole would be larger than 5 TiB")]
    TooLarge,
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: Utf8PathBuf, source: std::io::Error },
    #[error("the index failed")]
    Index(#[from] rusqlite::Error),
    #[error("the index holds what cannot be read")]
    Unreadable(#[from] serde_json::Error),
    #[error("a worker thread was lost")]
    Worker(#[from] tokio::task::JoinError),
}

impl StorageError {
    /// For `map_err` on an act on `path`.
    pub(super) fn io(action: &'static str, path: impl Into<Utf8PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// The message and those of its sources, for the log.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process listens there.
    #[error("port {port} on 127.0.0.1 is taken")]
    PortTaken {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The socket cannot be made for another reason.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The directories cannot be made.
    #[error("cannot create {path}")]
    Create {
        /// The directory.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Event loop or signal handlers.
    #[error("cannot start the event loop")]
    Runtime(#[source] std::io::Error),
}

impl Diagnose for ServeError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::PortTaken { .. } => ExitCode::Conflict,
            Self::Listen { .. } | Self::Create { .. } => ExitCode::StepFailed,
            Self::Runtime(_) => ExitCode::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::PortTaken { port, .. } => Some(format!("see who listens there: ss -ltnp 'sport = :{port}'")),
            Self::Listen { .. } | Self::Create { .. } | Self::Runtime(_) => None,
        }
    }
}

//! What can go wrong with mail.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode};

/// A failure of the mail service or of a mailbox.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A port is taken.
    #[error("port {port} of the mail service ({what}) is taken")]
    PortTaken {
        /// The port.
        port: u16,
        /// `SMTP` or `web`.
        what: &'static str,
    },
    /// A port cannot be listened on for another reason.
    #[error("cannot listen on 127.0.0.1:{port} ({what})")]
    Listen {
        /// The port.
        port: u16,
        /// `SMTP` or `web`.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A file or directory of the service failed.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried: `read`, `write`, `remove` …
        act: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An index failed.
    #[error("cannot use the index {path}")]
    Index {
        /// The `SQLite` file.
        path: Utf8PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// An index was written by a newer version.
    #[error("the index {path} has version {found}, this program knows {known}")]
    IndexVersion {
        /// The `SQLite` file.
        path: Utf8PathBuf,
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// A name that cannot be a mailbox.
    #[error("{0:?} is no name of a mailbox: lower-case letters, digits, '.', '_' and '-', at most 64")]
    Name(String),
    /// The user file does not say what it should.
    #[error("cannot understand {path}")]
    UserFile {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The mailbox was removed while it was used.
    #[error("mailbox {0} is gone")]
    Gone(String),
    /// A job of the service ended by a panic.
    #[error("the job ended by a fault of the program")]
    Job,
    /// No randomness to be had.
    #[error("no random bytes: {0}")]
    Random(String),
    /// A file could not be replaced.
    #[error("cannot keep the login of a mailbox")]
    Store(#[from] crate::store::StoreError),
    /// The event loop or its signals failed.
    #[error("cannot start the event loop")]
    Runtime(#[source] std::io::Error),
}

impl Diagnose for MailError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::PortTaken { .. } => ExitCode::Conflict,
            Self::Name(_) => ExitCode::Usage,
            Self::Listen { .. }
            | Self::File { .. }
            | Self::Index { .. }
            | Self::IndexVersion { .. }
            | Self::UserFile { .. }
            | Self::Gone(_)
            | Self::Store(_)
            | Self::Random(_) => ExitCode::StepFailed,
            Self::Runtime(_) | Self::Job => ExitCode::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::PortTaken { port, .. } => Some(format!("See who listens there: ss -ltnp 'sport = :{port}'")),
            Self::IndexVersion { path, .. } => {
                Some(format!("Use the newer agent-harness, or remove {path} and its mails"))
            }
            Self::UserFile { path, .. } => Some(format!("Remove {path}; the next launch writes it anew")),
            Self::Listen { .. }
            | Self::File { .. }
            | Self::Index { .. }
            | Self::Name(_)
            | Self::Gone(_)
            | Self::Store(_)
            | Self::Random(_)
            | Self::Job
            | Self::Runtime(_) => None,
        }
    }
}

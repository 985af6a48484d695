//! What can go wrong between us and a PostgreSQL server.

use std::time::Duration;

use crate::{error::Diagnose, exit_code::ExitCode};

/// A failure of a session. A query that failed is never an answer: nothing here is read as "there is none".
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No session.
    #[error("cannot connect to PostgreSQL as {target}")]
    Connect {
        /// `user@host:port/database`.
        target: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// A statement failed.
    #[error("PostgreSQL could not {what} ({target})")]
    Query {
        /// What the statement was for.
        what: String,
        /// `user@host:port/database`.
        target: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// A connection or a statement took too long.
    #[error("PostgreSQL did not {what} within {} s ({target})", .limit.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// `user@host:port/database`.
        target: String,
        /// The limit.
        limit: Duration,
    },
    /// The server is too old.
    #[error("PostgreSQL {version} at {target} is too old: 15 or newer is needed")]
    TooOld {
        /// Its version.
        version: String,
        /// `user@host:port/database`.
        target: String,
    },
}

impl PostgresError {
    /// The SQLSTATE, if the server gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&tokio_postgres::error::SqlState> {
        match self {
            Self::Connect { source, .. } | Self::Query { source, .. } => source.code(),
            Self::TimedOut { .. } | Self::TooOld { .. } => None,
        }
    }
}

impl Diagnose for PostgresError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::TooOld { .. } => ExitCode::Missing,
            Self::Connect { .. } | Self::Query { .. } | Self::TimedOut { .. } => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            // The server answered: its state is not the question.
            Self::Connect { source, .. } if source.code().is_some() => None,
            Self::Connect { .. } | Self::TimedOut { .. } => Some("agent-harness infra status".to_owned()),
            Self::Query { .. } | Self::TooOld { .. } => None,
        }
    }
}

//! What can go wrong with an agent's database.

use crate::{error::Diagnose, exit_code::ExitCode, infra::postgres::PostgresError};

/// A failure on one agent's role or database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The server said no, or nothing.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// There is nothing to clone from.
    #[error("the template database {template} does not exist")]
    NoTemplate {
        /// The template.
        template: String,
    },
    /// There is a database of that name that is neither an agent's nor a half-made clone.
    #[error("the database {database} belongs to the role {owner}")]
    Foreign {
        /// The database.
        database: String,
        /// Its owner.
        owner: String,
    },
    /// A statement of the manifest failed in the clone.
    #[error("the after_clone step {step} failed")]
    AfterClone {
        /// The step's name.
        step: String,
        /// Why.
        source: PostgresError,
    },
    /// `pg_stat_statements` is not there.
    #[error("the extension pg_stat_statements is missing on this server")]
    NoStatistics,
}

impl Diagnose for DatabaseError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Postgres(error) => error.exit_code(),
            Self::NoTemplate { .. } | Self::AfterClone { .. } => ExitCode::StepFailed,
            Self::Foreign { .. } => ExitCode::Conflict,
            Self::NoStatistics => ExitCode::Missing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Postgres(error) => error.hint(),
            Self::NoTemplate { .. } => Some("agent-harness template rebuild".to_owned()),
            Self::Foreign { database, .. } => Some(format!("rename or drop the database {database}")),
            Self::AfterClone { .. } => Some("correct the step in harness.toml, then launch again".to_owned()),
            Self::NoStatistics => Some("agent-harness setup-infra".to_owned()),
        }
    }
}

//! What can go wrong with a template.

use camino::Utf8PathBuf;

use super::InputError;
use crate::{error::Diagnose, exit_code::ExitCode, infra::postgres::PostgresError, process::cmd::CmdError};

/// A failure while a template was built or looked at.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The server said no, or nothing.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The name cannot be used.
    #[error("{name:?} cannot be the name of a template")]
    Name {
        /// The name.
        name: String,
        /// Longest name, in bytes.
        longest: usize,
    },
    /// A database of that name is not ours.
    #[error("there is a database {database} that is no template of ours")]
    Foreign {
        /// The database.
        database: String,
    },
    /// The inputs of a step could not be read.
    #[error("cannot read the inputs of the template step {step}")]
    Inputs {
        /// The step.
        step: String,
        /// Why.
        source: InputError,
    },
    /// The manifest asks for an extension that this server does not have.
    #[error("the PostgreSQL extension {extension} cannot be created")]
    Extension {
        /// The extension.
        extension: String,
        /// Why.
        source: PostgresError,
    },
    /// The log of a step could not be written.
    #[error("cannot write the log {log}")]
    Log {
        /// The log.
        log: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A step's command failed.
    #[error("the template step {step} failed; its log is {log}")]
    Step {
        /// The step.
        step: String,
        /// Where its output is.
        log: Utf8PathBuf,
        /// How it ended, with the last lines.
        source: CmdError,
    },
}

impl Diagnose for TemplateError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Postgres(error) => error.exit_code(),
            Self::Name { .. } => ExitCode::Usage,
            Self::Foreign { .. } => ExitCode::Conflict,
            Self::Inputs { source, .. } => source.exit_code(),
            Self::Extension { .. } => ExitCode::Missing,
            Self::Log { .. } | Self::Step { .. } => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Postgres(error) => error.hint(),
            Self::Name { longest, .. } => Some(format!(
                "set template.database to lower-case letters, digits and _, at most {longest}, not beginning with agent_"
            )),
            Self::Foreign { database } => Some(format!("set template.database to another name than {database}")),
            Self::Inputs { source, .. } => source.hint(),
            Self::Extension { extension, .. } => {
                Some(format!("install a PostgreSQL that has {extension}, or take it out of infra.extensions"))
            }
            Self::Log { .. } => None,
            Self::Step { .. } => Some("correct the step, then run the command again: the layers below are kept".into()),
        }
    }
}

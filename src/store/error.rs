//! What can go wrong with state on disk.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode, model::id::AgentId};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or directory could not be removed.
    #[error("cannot remove {path}")]
    Remove {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds something else than we wrote.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file was written by a newer version of the harness.
    #[error("{path} has version {found}, and this agent-harness knows versions up to {known}")]
    Newer {
        /// The file.
        path: Utf8PathBuf,
        /// Its version.
        found: u64,
        /// The newest version that is known.
        known: u64,
    },
    /// Another command holds a lock.
    #[error("{what} is being changed by {}", holder.as_ref().map_or_else(|| "another command".to_owned(), ToString::to_string))]
    Locked {
        /// What the lock is for.
        what: String,
        /// Who holds it, if they could be read.
        holder: Option<super::lock::Held>,
    },
    /// The id belongs to another project.
    #[error("agent {id} belongs to the project {project}")]
    IdTaken {
        /// The id.
        id: AgentId,
        /// The project that it belongs to.
        project: Utf8PathBuf,
    },
    /// No id is free.
    #[error("no id is free whose ports can be used")]
    NoFreeId,
    /// Two projects need different infra.
    #[error("the infra of this user was set up by {project} with {key} = {has}, and {other} needs {needs}")]
    InfraDiffers {
        /// The project whose settings hold.
        project: Utf8PathBuf,
        /// The project that needs others.
        other: Utf8PathBuf,
        /// What differs, as a key of the manifest.
        key: &'static str,
        /// What holds.
        has: String,
        /// What is needed.
        needs: String,
    },
    /// The kernel gave no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Diagnose for StoreError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Write { .. } | Self::Read { .. } | Self::Remove { .. } | Self::Damaged { .. } => ExitCode::StepFailed,
            Self::Newer { .. }
            | Self::Locked { .. }
            | Self::IdTaken { .. }
            | Self::NoFreeId
            | Self::InfraDiffers { .. } => ExitCode::Conflict,
            Self::Random(_) => ExitCode::Missing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Newer { .. } => Some("use the newer agent-harness, or tear down with it first".to_owned()),
            Self::Locked { holder: Some(held), .. } => Some(format!("wait for it, or look at it: ps -fp {}", held.pid)),
            Self::IdTaken { .. } => Some("agent-harness launch next".to_owned()),
            Self::NoFreeId => Some("agent-harness ls".to_owned()),
            Self::Damaged { path, .. } => Some(format!("look at it, or move it away: mv {path} {path}.damaged")),
            Self::Write { .. }
            | Self::Read { .. }
            | Self::Remove { .. }
            | Self::Locked { holder: None, .. }
            | Self::InfraDiffers { .. }
            | Self::Random(_) => None,
        }
    }
}

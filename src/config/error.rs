//! Settings that cannot be resolved.

use camino::Utf8PathBuf;

use super::manifest::ManifestError;
use crate::{error::Diagnose, exit_code::ExitCode, model::ports::InfraPortError};

/// Why settings cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The folder belongs to no git repository.
    #[error("{directory} is in no git repository")]
    NoRepository {
        /// The folder.
        directory: Utf8PathBuf,
    },
    /// The repository has no checkout.
    #[error("the git repository {repository} is bare: it has no checkout to run an app in")]
    Bare {
        /// The repository.
        repository: Utf8PathBuf,
    },
    /// A file of git cannot be read or understood.
    #[error("cannot read {path}, which git keeps about this folder")]
    Git {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The project has no manifest.
    #[error("there is no {manifest}")]
    NoManifest {
        /// Where it was looked for.
        manifest: Utf8PathBuf,
    },
    /// The manifest does not load.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A variable should hold a port.
    #[error("{name}={value:?} is no port: a whole number from 1024 to 65535 is")]
    PortVariable {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// The infra's ports collide after the variables.
    #[error(transparent)]
    InfraPorts(#[from] InfraPortError),
    /// A variable should hold an absolute path.
    #[error("{name}={value:?} is no absolute path")]
    NotAbsolute {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// Nobody says where this user's files are.
    #[error("HOME is not set, and nothing else says where this user's files are")]
    NoHome,
    /// The current folder cannot be told.
    #[error("the current folder cannot be told")]
    NoCurrentDirectory(#[source] std::io::Error),
    /// The checkout that a script belongs to cannot be entered.
    #[error("cannot enter {path}")]
    Checkout {
        /// The checkout.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A path is not UTF-8.
    #[error("{path:?} is not UTF-8")]
    NotUtf8 {
        /// The path.
        path: std::path::PathBuf,
    },
    /// A directory of the harness cannot be made.
    #[error("cannot make the directory {path}")]
    Directory {
        /// The directory.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Diagnose for ConfigError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Manifest(error) => error.exit_code(),
            Self::NoRepository { .. }
            | Self::Bare { .. }
            | Self::NoManifest { .. }
            | Self::PortVariable { .. }
            | Self::InfraPorts(_)
            | Self::NotAbsolute { .. }
            | Self::NoHome
            | Self::NotUtf8 { .. } => ExitCode::Usage,
            Self::Git { .. } | Self::NoCurrentDirectory(_) | Self::Checkout { .. } | Self::Directory { .. } => {
                ExitCode::Missing
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Manifest(error) => error.hint(),
            Self::NoRepository { .. } => Some("call this in the checkout of the app, a git repository".to_owned()),
            Self::NoManifest { .. } => Some("agent-harness init".to_owned()),
            Self::PortVariable { name, .. } | Self::NotAbsolute { name, .. } => Some(format!("unset {name}")),
            Self::NoHome => Some(format!("export {}=/some/folder", super::env_names::STATE_DIR)),
            Self::Directory { .. } => Some(format!("export {}=/some/other/folder", super::env_names::STATE_DIR)),
            Self::Bare { .. }
            | Self::Git { .. }
            | Self::InfraPorts(_)
            | Self::NoCurrentDirectory(_)
            | Self::Checkout { .. }
            | Self::NotUtf8 { .. } => None,
        }
    }
}

//! Why `init` writes nothing.

use camino::{Utf8Path, Utf8PathBuf};

use super::look::Found;
use crate::{
    config::manifest::{ManifestError, nearest},
    config::profiles,
    error::Diagnose,
    exit_code::ExitCode,
    process::cmd::CmdError,
    store::StoreError,
};

/// A file that `init` may not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InWay {
    pub(super) path: &'static Utf8Path,
    pub(super) found: Found,
}

/// Why `init` writes nothing.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Somebody's own files lie where ours belong.
    #[error("nothing was written: these are in the way{}", lines(.0))]
    InWay(Vec<InWay>),
    /// Replacing them could not be undone.
    #[error("nothing was written: git could not bring these back as they are now{}", paths(.0))]
    NotCommitted(Vec<&'static Utf8Path>),
    /// The folder is a worktree, and the project's manifest is read from the main checkout.
    #[error("this is a worktree of {root}, where the manifest of all its worktrees belongs")]
    Worktree {
        /// The main checkout.
        root: Utf8PathBuf,
    },
    /// There is no such profile.
    #[error("there is no profile {name:?}")]
    UnknownProfile {
        /// The name.
        name: String,
    },
    /// The manifest that is there, and stays, does not load.
    #[error("nothing was written: the manifest that is here does not load")]
    Manifest(#[source] ManifestError),
    /// The manifest that we made ourselves does not load.
    #[error("the manifest that was made for this app does not load; this is a bug of agent-harness")]
    Draft(#[source] ManifestError),
    /// A folder leads out of the checkout.
    #[error("nothing was written: {folder} leads to {real}, outside of this checkout")]
    Outside {
        /// The symbolic link.
        folder: Utf8PathBuf,
        /// Where it leads.
        real: Utf8PathBuf,
    },
    /// Something else lies where a folder is needed.
    #[error("nothing was written: {path} is no folder")]
    NoFolder {
        /// Where.
        path: Utf8PathBuf,
    },
    /// There is no git that could be asked.
    #[error("git is not in PATH")]
    NoGit,
    /// git gave no answer.
    #[error("git {what} failed: {stderr}")]
    GitFailed {
        /// What it was told.
        what: String,
        /// What it said.
        stderr: String,
    },
    /// git could not be run.
    #[error(transparent)]
    Git(#[from] CmdError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn lines(files: &[InWay]) -> String {
    let why = |found| match found {
        Found::Edited => "was edited since init wrote it",
        Found::NoFile => "is no file",
        _ => "was not written by init",
    };
    let lines = files.iter().map(|file| format!("{} {}", file.path, why(file.found)));
    lines.fold(String::new(), |text, line| text + "\n  " + &line)
}

fn paths(files: &[&Utf8Path]) -> String {
    files.iter().fold(String::new(), |text, path| text + "\n  " + path.as_str())
}

impl Diagnose for InitError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::InWay(_) | Self::NotCommitted(_) | Self::Outside { .. } | Self::NoFolder { .. } => ExitCode::Conflict,
            Self::Worktree { .. } | Self::UnknownProfile { .. } => ExitCode::Usage,
            Self::Manifest(error) => error.exit_code(),
            Self::Draft(_) => ExitCode::Internal,
            Self::NoGit => ExitCode::Missing,
            Self::GitFailed { .. } => ExitCode::StepFailed,
            Self::Git(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::InWay(files) if files.iter().any(|file| file.found == Found::NoFile) => {
                Some("agent-harness init --keep, to leave them and write the rest".to_owned())
            }
            Self::InWay(_) => Some(
                "agent-harness init --replace, to replace them (git checkout brings them back); or --keep, to leave \
                 them and write the rest"
                    .to_owned(),
            ),
            Self::NotCommitted(_) => Some("git commit them first; or add --force, to lose them".to_owned()),
            Self::Worktree { root } => Some(format!("cd {root} && agent-harness init")),
            Self::UnknownProfile { name } => {
                let names = profiles::ALL.iter().map(|profile| profile.name);
                Some(match nearest(name, names) {
                    Some(nearest) => format!("agent-harness init --profile {nearest}"),
                    None => "agent-harness init --list-profiles".to_owned(),
                })
            }
            Self::Manifest(_) => {
                Some("correct it; or start with a new one: agent-harness init --replace-manifest".to_owned())
            }
            Self::NoGit => Some("apt-get install git".to_owned()),
            Self::Outside { folder, .. } => Some(format!("ls -l {folder}")),
            Self::NoFolder { path } => Some(format!("ls -l {path}")),
            Self::Draft(_) => Some("agent-harness schema --example, to write one by hand".to_owned()),
            Self::GitFailed { .. } => None,
            Self::Git(error) => error.hint(),
            Self::Store(error) => error.hint(),
        }
    }
}

//! Why a need cannot be met. Nearly all are exit 3: a prerequisite is missing, and the hint installs it.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode, process::cmd::CmdError};

/// What is needed is neither there nor could it be obtained.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// Nothing usable on the machine, and no artefact is known for it.
    #[error("no usable {what} on this machine{}", because(.why))]
    NotFound {
        /// What is needed.
        what: &'static str,
        /// What was looked at and why it does not do, one entry each.
        why: Vec<String>,
        /// The command that installs it.
        install: String,
    },
    /// The program named in the settings does not do.
    #[error("{path} cannot be used as {what}: {why}")]
    Configured {
        /// What is needed.
        what: &'static str,
        /// The configured program or directory.
        path: Utf8PathBuf,
        /// Why not.
        why: String,
    },
    /// No package manager that could download it.
    #[error("{what} is not on this machine, and {managers} to obtain it without root is not there either")]
    NoManager {
        /// What is needed.
        what: &'static str,
        /// The package managers that would do.
        managers: String,
        /// The command that installs one or the other.
        install: String,
    },
    /// The package manager could not download it.
    #[error("cannot obtain {package} {version} with {manager}")]
    Download {
        /// The package.
        package: &'static str,
        /// Its pinned version.
        version: &'static str,
        /// The package manager.
        manager: &'static str,
        /// The command that installs it another way.
        install: String,
        /// What the package manager said.
        source: Box<CmdError>,
    },
    /// The package manager ended well but the file is not there.
    #[error("{manager} ended well but left no {file}")]
    NoFile {
        /// The package manager.
        manager: &'static str,
        /// The file that was expected.
        file: &'static str,
    },
    /// The downloaded file is not the pinned one.
    #[error("{file} is not the pinned file: its hash is {found}, not {pinned}")]
    Hash {
        /// The downloaded file.
        file: &'static str,
        /// Its hash.
        found: String,
        /// The hash in the table.
        pinned: &'static str,
    },
    /// The archive holds something that is never unpacked.
    #[error("{archive} holds {entry}, which {why}")]
    Archive {
        /// The archive.
        archive: String,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Unpacking or keeping failed on the disk.
    #[error("cannot write {path}")]
    Disk {
        /// Where.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The user that runs the server cannot reach what was obtained.
    #[error("{path} cannot be reached by the user with id {uid}, who runs {what}")]
    Unreachable {
        /// What is to be run.
        what: &'static str,
        /// The first directory on the way that is closed.
        path: Utf8PathBuf,
        /// The user.
        uid: u32,
    },
    /// Obtained and unpacked, but it does not start here.
    #[error("{what} was obtained into {path} but does not start here: {why}")]
    DoesNotStart {
        /// What was obtained.
        what: &'static str,
        /// Where it is kept.
        path: Utf8PathBuf,
        /// What it said.
        why: String,
        /// The command that installs it another way.
        install: String,
    },
}

fn because(why: &[String]) -> String {
    if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) }
}

impl Diagnose for ObtainError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotFound { .. }
            | Self::Configured { .. }
            | Self::NoManager { .. }
            | Self::Download { .. }
            | Self::Hash { .. }
            | Self::NoFile { .. }
            | Self::Unreachable { .. }
            | Self::DoesNotStart { .. } => ExitCode::Missing,
            Self::Archive { .. } | Self::Disk { .. } => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { install, .. }
            | Self::NoManager { install, .. }
            | Self::Download { install, .. }
            | Self::DoesNotStart { install, .. } => Some(install.clone()),
            Self::Configured { what, .. } => Some(format!("Correct the setting, or leave it out to have {what} found")),
            Self::Unreachable { path, .. } => Some(format!("chmod o+x {}", shlex::try_quote(path.as_str()).ok()?)),
            Self::Hash { .. } | Self::NoFile { .. } => {
                Some("Look at the package manager's mirror settings, then run the command again".to_owned())
            }
            Self::Archive { .. } | Self::Disk { .. } => None,
        }
    }
}

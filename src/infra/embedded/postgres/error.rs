//! What can go wrong with a cluster of ours.

use camino::Utf8PathBuf;

use crate::{
    error::Diagnose, exit_code::ExitCode, infra::postgres::PostgresError, process::cmd::CmdError, store::StoreError,
};

/// A failure while a cluster was made or readied.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The binaries do not say what they are.
    #[error("{program} does not tell its version but {output:?}")]
    Version {
        /// The program.
        program: Utf8PathBuf,
        /// What it printed.
        output: String,
    },
    /// The binaries are too old.
    #[error("PostgreSQL {major} in {bin_dir} is too old: 15 or newer is needed")]
    TooOld {
        /// Their directory.
        bin_dir: Utf8PathBuf,
        /// Their version.
        major: u32,
    },
    /// There is data that these binaries cannot read.
    #[error("{data} belongs to PostgreSQL {found}, but the PostgreSQL found is {wanted}")]
    OtherMajor {
        /// The data.
        data: Utf8PathBuf,
        /// Its version.
        found: String,
        /// The version of the binaries.
        wanted: u32,
    },
    /// Something that is no cluster has the name of the data directory.
    #[error("{data} is there but is no PostgreSQL data directory")]
    NoCluster {
        /// The directory.
        data: Utf8PathBuf,
    },
    /// The user that postgres runs as cannot reach something.
    #[error("{directory} cannot be passed through by the user {user}, whom {target} is for")]
    Blocked {
        /// The directory that blocks.
        directory: Utf8PathBuf,
        /// The user.
        user: String,
        /// What has to be reached.
        target: Utf8PathBuf,
    },
    /// There is no ordinary user to run as, and none could be made.
    #[error("PostgreSQL does not run as root, and there is no user postgres and no program that adds one")]
    NoUser,
    /// A file or directory could not be read or changed.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be replaced.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A program failed.
    #[error("cannot {act}")]
    Command {
        /// What for.
        act: &'static str,
        /// How.
        source: CmdError,
    },
    /// The server said no, or nothing.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
}

impl Diagnose for ClusterError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Version { .. } | Self::TooOld { .. } | Self::OtherMajor { .. } | Self::NoUser => ExitCode::Missing,
            Self::NoCluster { .. } => ExitCode::Conflict,
            Self::Blocked { .. } | Self::File { .. } => ExitCode::StepFailed,
            Self::Store(error) => error.exit_code(),
            Self::Command { source, .. } => source.exit_code(),
            Self::Postgres(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Version { .. } | Self::TooOld { .. } => Some("install PostgreSQL 15 or newer".to_owned()),
            Self::OtherMajor { data, found, .. } => Some(format!(
                "install PostgreSQL {found} again, or give its databases up: agent-harness teardown --all && \
                 agent-harness infra stop && rm -r '{data}'"
            )),
            Self::NoCluster { data } => Some(format!("move {data} away")),
            Self::Blocked { directory, .. } => Some(format!("chmod o+x '{directory}'")),
            Self::NoUser => Some("useradd --system postgres".to_owned()),
            Self::File { .. } => None,
            Self::Store(error) => error.hint(),
            Self::Command { source, .. } => source.hint(),
            Self::Postgres(error) => error.hint(),
        }
    }
}

impl ClusterError {
    pub(super) fn file(act: &'static str, path: impl Into<Utf8PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }
}

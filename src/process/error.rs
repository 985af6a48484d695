//! What the kernel refused.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode};

/// A process could not be started, found or ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be executed.
    #[error("cannot execute {program}")]
    Execute {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The working directory is none.
    #[error("cannot work in {path}")]
    Directory {
        /// The directory.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file for its output could not be opened.
    #[error("cannot open {path} for output")]
    Output {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A process could not be looked at.
    #[error("cannot look at process {pid}")]
    Inspect {
        /// Its pid.
        pid: u32,
        /// Why.
        source: std::io::Error,
    },
    /// The list of processes could not be read.
    #[error("cannot read /proc")]
    List(#[source] std::io::Error),
    /// A signal could not be sent.
    #[error("cannot signal process {pid}")]
    Signal {
        /// Its pid.
        pid: u32,
        /// Why.
        source: std::io::Error,
    },
    /// Processes that did not go, even with SIGKILL.
    #[error("processes {pids:?} do not end")]
    Immortal {
        /// Their pids.
        pids: Vec<u32>,
    },
    /// What the kernel must give is not there.
    #[error("the kernel gives no {what}")]
    Kernel {
        /// What is missing.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl Diagnose for ProcessError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Execute { .. } | Self::Kernel { .. } => ExitCode::Missing,
            Self::Directory { .. }
            | Self::Output { .. }
            | Self::Inspect { .. }
            | Self::List(_)
            | Self::Signal { .. }
            | Self::Immortal { .. } => ExitCode::StepFailed,
        }
    }
}

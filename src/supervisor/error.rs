//! What can go wrong with a supervisor as seen from `ops`.

use camino::Utf8PathBuf;

use crate::{
    error::Diagnose, exit_code::ExitCode, model::stack::StackName, process::ProcessError, store::StoreError,
    wire::WireError,
};

/// A supervisor could not be started, reached or ended.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The stack's directory cannot be made, read or removed.
    #[error("cannot use the directory {path} of stack {stack}")]
    Directory {
        /// The stack.
        stack: StackName,
        /// The directory or a file in it.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its processes cannot be ordered.
    #[error("the processes of stack {stack} cannot be started")]
    Order {
        /// The stack.
        stack: StackName,
        /// Why.
        source: crate::model::order::OrderError,
    },
    /// The specification could not be written.
    #[error("cannot write the specification of stack {stack}")]
    Spec {
        /// The stack.
        stack: StackName,
        /// Why.
        source: StoreError,
    },
    /// The program could not be started.
    #[error("cannot start the supervisor of stack {stack}")]
    Start {
        /// The stack.
        stack: StackName,
        /// Why.
        source: ProcessError,
    },
    /// It ended, or said nothing, before it served.
    #[error("the supervisor of stack {stack} did not come up; its log {log} ends with: {tail}")]
    NotUp {
        /// The stack.
        stack: StackName,
        /// Where it logs.
        log: Utf8PathBuf,
        /// The end of that log.
        tail: String,
    },
    /// The kernel does not tell which boot this is.
    #[error("cannot tell whether stack {stack} is of this boot of the machine")]
    Boot {
        /// The stack.
        stack: StackName,
        /// Why.
        source: ProcessError,
    },
    /// What is left of a stack without a supervisor could not be ended.
    #[error("cannot end what is left of stack {stack}")]
    Leftover {
        /// The stack.
        stack: StackName,
        /// Why.
        source: ProcessError,
    },
    /// Speaking to it failed.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Diagnose for SupervisorError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Directory { .. }
            | Self::Start { .. }
            | Self::NotUp { .. }
            | Self::Boot { .. }
            | Self::Leftover { .. } => ExitCode::StepFailed,
            Self::Order { .. } => ExitCode::Usage,
            Self::Spec { source, .. } => source.exit_code(),
            Self::Wire(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotUp { log, .. } => Some(format!("read {log}")),
            Self::Wire(error) => error.hint(),
            Self::Directory { .. }
            | Self::Order { .. }
            | Self::Spec { .. }
            | Self::Start { .. }
            | Self::Boot { .. }
            | Self::Leftover { .. } => None,
        }
    }
}

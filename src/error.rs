//! How an error reaches the person: what failed, why, what to try next, and the exit code.
//!
//! Every folder has its own enum (thiserror) beside the code that raises it and implements [`Diagnose`] for it with
//! exhaustive matches. [`Error`] only carries one of them upwards; it adds nothing.

use std::fmt;

use crate::exit_code::ExitCode;

/// What the edge of the program needs to know of an error.
pub trait Diagnose: std::error::Error + Send + Sync + 'static {
    /// The documented exit code of this failure.
    fn exit_code(&self) -> ExitCode;

    /// The next command or act to try, as one imperative sentence or command line; printed on a line of its own.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Any error of ours on its way to the edge.
pub struct Error(Box<dyn Diagnose>);

/// A result whose error can be shown.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The documented exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.0.exit_code()
    }

    /// The next thing to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// The message and those of its sources, outermost first. A Display never includes its source, so joining them
    /// with `: ` says everything once.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl<E: Diagnose> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl Diagnose for crate::model::id::InvalidAgentId {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }
}

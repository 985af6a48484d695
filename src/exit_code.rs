//! The documented exit codes. Stable: scripts depend on them.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// All is well.
    Ok = 0,
    /// The thing asked about is not well: verify failed, an agent is unhealthy.
    Unwell = 1,
    /// Wrong usage, a manifest that does not load, an id that cannot be used.
    Usage = 2,
    /// A program or service that is needed is not there.
    Missing = 3,
    /// A port is taken, an id is busy, another command holds the lock.
    Conflict = 4,
    /// A step failed.
    StepFailed = 5,
    /// A bug of ours.
    Internal = 70,
    /// Ended by SIGINT or SIGTERM.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

//! Follows a process's raw output into its stamped, rotated log without losing a line.
//!
//! stdout and stderr of a process are one file opened with `O_APPEND`, so nobody of ours stands between the process
//! and its output. [`Followers`] is told by inotify what was written, stamps every line with the time at which it was
//! taken over, appends it to the log and gives the consumed part of the raw file back to the disk.
//!
//! ```text
//! <process>.out    raw output; its consumed part is a hole, so it grows in length for ever, not in size
//! <process>.pos    the record: how much of .out is in how much of .log
//! <process>.log    2026-11-22T17:24:30.123Z <the line, its bytes as they came>
//! <process>.log.1  the part before, … .3
//! ```
//!
//! Order makes it exact: first the log is written, then the record, then the hole is punched. A follower that was
//! killed in between finds at its next start a log that is longer than the record says, cuts it to that length and
//! takes the same output over again. So after `kill -9` at any instant every line is in the log once. What a power
//! failure may cost is what the kernel had not yet written to the disk.
//!
//! One follower at a time may work on a stack; the supervisor's own lock sees to it.

mod log;
mod one;
mod record;
mod set;

use camino::Utf8PathBuf;

pub use self::{
    log::part,
    one::{Batch, LINE_LIMIT},
    record::{Position, read as read_position},
    set::Followers,
};
use crate::{error::Diagnose, exit_code::ExitCode};

/// Bytes of a log after which the next part is begun.
pub const PART_SIZE: u64 = 10 * 1024 * 1024;

/// Older parts that are kept beside the log.
pub const PARTS: u32 = 3;

/// Bytes of the stamp in front of every line of a log: an RFC 3339 time in UTC with milliseconds, and a space.
pub const STAMP: usize = "2026-11-22T17:24:30.123Z ".len();

/// Output could not be followed. The output itself is safe in the raw file; the next attempt goes on where this failed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A file of the log could not be opened, read or written.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel gives no notice of changes.
    #[error("cannot watch for output")]
    Watch(#[source] std::io::Error),
}

impl FollowError {
    fn file(act: &'static str, path: impl Into<Utf8PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }
}

impl Diagnose for FollowError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File { .. } | Self::Watch(_) => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File { .. } => None,
            Self::Watch(_) => Some("raise fs.inotify.max_user_instances and max_user_watches with sysctl".to_owned()),
        }
    }
}

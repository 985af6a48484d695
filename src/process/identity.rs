//! Who a pid is: pid, start time, boot id, held through a pidfd.
//!
//! A pid alone says nothing: it is used again. A process is known by its pid and the tick at which it was started, within
//! one boot. A [`Handle`] that was opened and then seen to have the right start time is that process for good.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::io::{Interest, unix::AsyncFd};

use super::ProcessError;

/// One process of this machine since this boot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Its pid.
    pub pid: u32,
    /// When it was started, in clock ticks ([`TICK`]) since boot: field 22 of `/proc/<pid>/stat`.
    pub start: u64,
    /// `/proc/sys/kernel/random/boot_id` of that boot.
    pub boot: String,
}

/// One clock tick of `/proc`: the kernel's `USER_HZ` is 100 on every architecture that we run on.
pub const TICK: Duration = Duration::from_millis(10);

/// What `/proc/<pid>/stat` says of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its pid.
    pub pid: u32,
    /// Whether it has ended and only waits to be reaped.
    pub ended: bool,
    /// Its parent's pid.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// When it was started, in ticks since boot.
    pub start: u64,
}

/// The id of this boot.
///
/// # Errors
/// When the kernel does not tell.
pub fn boot_id() -> Result<&'static str, ProcessError> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(known) = BOOT.get() {
        return Ok(known);
    }
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_err(|source| ProcessError::Kernel { what: "boot id", source })?;
    Ok(BOOT.get_or_init(|| read.trim().to_owned()))
}

/// Time since boot, suspend included: the clock in which start times are counted.
#[must_use]
pub fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0))
}

/// Reads `/proc/<pid>/stat`; `None` when there is no such process.
///
/// # Errors
/// When it cannot be read for another reason.
pub fn stat(pid: u32) -> Result<Option<Stat>, ProcessError> {
    let fail = |source| ProcessError::Inspect { pid, source };
    // What the kernel says of a process that it lets go of in this instant may be anything; then it is gone.
    for _ in 0..LOOKS {
        match std::fs::read(format!("/proc/{pid}/stat")) {
            Ok(text) => match parse_stat(pid, &text) {
                Some(stat) => return Ok(Some(stat)),
                None => std::thread::yield_now(),
            },
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(fail(error)),
        }
    }
    Err(fail(io::ErrorKind::InvalidData.into()))
}

/// How often a process is looked at that the kernel says nonsense of.
const LOOKS: u32 = 100;

/// What reading below `/proc/<pid>` answers when the process is gone.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn parse_stat(pid: u32, text: &[u8]) -> Option<Stat> {
    // The second field is the name in parentheses, which may itself have any byte in it: count from the last one.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 2..)?).ok()?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<i64>().ok());
    let small = |at: usize| number(at).and_then(|value| u32::try_from(value).ok());
    // The kernel writes -1 for group and session of one that it lets go of in this instant.
    let released = number(2)? == -1;
    Some(Stat {
        pid,
        ended: released || matches!(*fields.first()?, "Z" | "X" | "x"),
        parent: if released { 0 } else { small(1)? },
        group: if released { 0 } else { small(2)? },
        session: if released { 0 } else { small(3)? },
        start: number(19)?.try_into().ok()?,
    })
}

impl Identity {
    /// Who `pid` is now; `None` when nobody, or one that has ended.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn of(pid: u32) -> Result<Option<Self>, ProcessError> {
        let stat = stat(pid)?.filter(|stat| !stat.ended);
        let boot = boot_id()?;
        Ok(stat.map(|stat| Self { pid, start: stat.start, boot: boot.to_owned() }))
    }

    /// Who a child is that was not waited for yet, whether it runs or not.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn of_child(pid: u32) -> Result<Self, ProcessError> {
        let gone = || ProcessError::Inspect { pid, source: io::ErrorKind::NotFound.into() };
        let stat = stat(pid)?.ok_or_else(gone)?;
        Ok(Self { pid, start: stat.start, boot: boot_id()?.to_owned() })
    }

    /// A handle of this very process; `None` when it has ended.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn handle(&self) -> Result<Option<Handle>, ProcessError> {
        if self.boot != boot_id()? {
            return Ok(None);
        }
        let handle = match Handle::open(self.pid) {
            Ok(handle) => handle,
            Err(ProcessError::Inspect { source, .. }) if is_gone(&source) => return Ok(None),
            Err(error) => return Err(error),
        };
        // In this order: whoever has the right start time after the handle was opened is whom the handle holds.
        let same = stat(self.pid)?.is_some_and(|stat| stat.start == self.start && !stat.ended);
        Ok(same.then_some(handle))
    }

    /// Whether this very process runs.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn runs(&self) -> Result<bool, ProcessError> {
        Ok(self.boot == boot_id()? && stat(self.pid)?.is_some_and(|stat| stat.start == self.start && !stat.ended))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (started at tick {})", self.pid, self.start)
    }
}

/// A pidfd: refers to one process for good, also after it ended and its pid was given to another.
#[derive(Debug)]
pub struct Handle {
    pid: u32,
    fd: OwnedFd,
}

impl Handle {
    /// A handle of whoever has `pid` now. Check who that is: [`Identity::handle`].
    ///
    /// # Errors
    /// When there is none.
    pub fn open(pid: u32) -> Result<Self, ProcessError> {
        let fail = |source| ProcessError::Inspect { pid, source };
        let raw =
            pid.try_into().ok().and_then(Pid::from_raw).ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))?;
        let fd = rustix::process::pidfd_open(raw, PidfdFlags::empty()).map_err(|errno| fail(errno.into()))?;
        Ok(Self { pid, fd })
    }

    /// Its pid.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends `signal`; `false` when the process has ended.
    ///
    /// # Errors
    /// When it may not be sent.
    pub fn signal(&self, signal: Signal) -> Result<bool, ProcessError> {
        match rustix::process::pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(errno) => Err(ProcessError::Signal { pid: self.pid, source: errno.into() }),
        }
    }

    /// Waits until the process has ended; the kernel tells.
    ///
    /// # Errors
    /// When the event loop does not take the handle.
    pub async fn ended(&self) -> Result<(), ProcessError> {
        let fail = |source| ProcessError::Inspect { pid: self.pid, source };
        let fd = self.fd.try_clone().map_err(fail)?;
        #[expect(unsafe_code, reason = "registering with the event loop has no safe form")]
        // SAFETY: the AsyncFd owns this duplicate, which stays open and keeps its number as long as it lives.
        let ready = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        ready.map_err(|error| fail(error.into()))?.readable().await.map(drop).map_err(fail)
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a child that is only looked at")]
    fn sleeper() -> Child {
        Command::new("sleep").arg("100").spawn().expect("a child")
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_is_skipped() {
        let text = b"42 (a) b ) (c) S 7 40 39 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let expected = Stat { pid: 42, ended: false, parent: 7, group: 40, session: 39, start: 12345 };
        assert_eq!(parse_stat(42, text), Some(expected));
        let released = b"42 (a) X 0 -1 -1 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 0 0 77 0";
        assert!(parse_stat(42, released).is_some_and(|stat| stat.ended));
        assert_eq!(parse_stat(42, b"42 (a"), None);
    }

    #[tokio::test]
    async fn another_start_time_or_boot_is_another_process() {
        let mut child = sleeper();
        let identity = Identity::of(child.id()).expect("readable").expect("it runs");
        assert!(identity.runs().expect("readable"));
        let other = Identity { start: identity.start + 1, ..identity.clone() };
        assert!(other.handle().expect("readable").is_none());
        let other = Identity { boot: "another".to_owned(), ..identity.clone() };
        assert!(other.handle().expect("readable").is_none());
        let handle = identity.handle().expect("readable").expect("it runs");
        assert!(handle.signal(Signal::KILL).expect("allowed"));
        handle.ended().await.expect("the kernel tells");
        assert!(!identity.runs().expect("readable"), "a zombie does not run");
        child.wait().expect("our child");
        assert!(!handle.signal(Signal::KILL).expect("no error"), "nobody is signalled");
        assert!(identity.handle().expect("readable").is_none());
    }
}

//! What a parent of many processes needs: to inherit orphans, to be told of ends, and to take their statuses.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd},
};

use rustix::process::{WaitOptions, WaitStatus};

use super::ProcessError;
use crate::model::status::Exit;

/// Makes this process the parent of all descendants whose own parent ends.
///
/// # Errors
/// When the kernel does not.
pub fn become_subreaper() -> Result<(), ProcessError> {
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))
        .map_err(|errno| ProcessError::Kernel { what: "subreaper", source: errno.into() })
}

/// Readable while children have ended that were not looked at. Ends of children are no signals any more to this
/// process.
#[derive(Debug)]
pub struct ChildEnds(OwnedFd);

impl ChildEnds {
    /// Begins to listen for ends of children. To be called before the first child is started.
    ///
    /// # Errors
    /// When the kernel gives no signalfd.
    #[expect(unsafe_code, reason = "signal masks and signalfd have no safe form here")]
    pub fn listen() -> Result<Self, ProcessError> {
        // SAFETY: `set` is initialised by sigemptyset before it is used; the descriptor that signalfd returns is new
        // and owned by nobody else.
        let fd = unsafe {
            let mut set = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(ProcessError::Kernel { what: "signalfd", source: io::Error::last_os_error() });
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self(fd))
    }

    /// Takes the status of every child that has ended.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn take(&self) -> Result<Vec<(u32, Exit)>, ProcessError> {
        let fail = |errno: rustix::io::Errno| ProcessError::Kernel { what: "end of children", source: errno.into() };
        let mut notices = [0; 1024];
        loop {
            match rustix::io::read(&self.0, &mut notices) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(errno) => return Err(fail(errno)),
            }
        }
        let mut ended = Vec::new();
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => ended.push((pid.as_raw_nonzero().get().unsigned_abs(), exit_of(status))),
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(ended),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
    }
}

impl AsFd for ChildEnds {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

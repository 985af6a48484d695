//! The kernel's notices of changed files, awaited in the event loop.

use std::{ffi::OsString, io, mem::MaybeUninit, os::fd::OwnedFd, os::unix::ffi::OsStringExt as _, path::Path};

use rustix::{
    fs::inotify::{self, CreateFlags, Reader},
    io::Errno,
};
use tokio::io::{Interest, unix::AsyncFd};

pub use rustix::fs::inotify::{ReadFlags, WatchFlags};

/// Bytes read at once: several hundred events, or one with the longest name there is.
const BUFFER: usize = 16 * 1024;

/// An inotify instance.
#[derive(Debug)]
pub struct Inotify(AsyncFd<OwnedFd>);

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The watch it belongs to; -1 when the queue overflowed.
    pub watch: i32,
    /// What happened.
    pub flags: ReadFlags,
    /// The name in the watched folder, when it happened to an entry of it.
    pub name: Option<OsString>,
}

impl Inotify {
    /// A new instance, closed on exec. Must be made inside the event loop.
    ///
    /// # Errors
    /// When the user has too many instances (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        #[expect(unsafe_code, reason = "registering with the event loop has no safe form")]
        // SAFETY: an OwnedFd is open, stays open and keeps its number as long as the AsyncFd owns it; it is handed
        // out by shared reference only.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// Watches `path`; watching the same file again changes its flags and returns the same number.
    ///
    /// # Errors
    /// When `path` cannot be read, or the user has too many watches (`fs.inotify.max_user_watches`).
    pub fn watch(&self, path: &Path, flags: WatchFlags) -> io::Result<i32> {
        Ok(inotify::add_watch(self.0.get_ref(), path, flags)?)
    }

    /// Ends a watch. One that the kernel has already ended is no error.
    ///
    /// # Errors
    /// When the kernel refuses for another reason.
    pub fn unwatch(&self, watch: i32) -> io::Result<()> {
        match inotify::remove_watch(self.0.get_ref(), watch) {
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits for events and adds all that are there to `events`. Cancelling it loses none.
    ///
    /// # Errors
    /// When the kernel refuses to read.
    pub async fn read(&self, events: &mut Vec<Event>) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let before = events.len();
            self.read_now(events)?;
            ready.clear_ready();
            if events.len() > before {
                return Ok(());
            }
        }
    }

    /// Adds the events that are there to `events`, without waiting.
    ///
    /// # Errors
    /// When the kernel refuses to read.
    pub fn read_now(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(self.0.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => events.push(Event {
                    watch: event.wd(),
                    flags: event.events(),
                    name: event.file_name().map(|name| OsString::from_vec(name.to_bytes().to_vec())),
                }),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

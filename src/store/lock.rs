//! flock'd, close-on-exec locks that name their holder.
//!
//! The kernel releases a lock with its holder's death, so a lock file that is left behind means nothing. What stands
//! in the file is for people only.

use std::{
    fmt,
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// How long a command waits for another one.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks. There is no waiting with a deadline in flock.
const INTERVAL: Duration = Duration::from_millis(10);

/// A lock that is held; released when dropped, and by the kernel when its holder dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: Utf8PathBuf,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Pid of the command.
    pub pid: u32,
    /// The command.
    pub command: String,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = Timestamp::now().duration_since(self.since).as_secs().max(0);
        write!(f, "`{}` (pid {}) for {age} s", self.command, self.pid)
    }
}

impl Lock {
    /// Takes the lock `name` in `directory` for `command`, waiting up to `patience`. The directory must exist.
    ///
    /// # Errors
    /// When another command holds it all that time ([`StoreError::Locked`] names it), or its file cannot be opened.
    pub async fn acquire(
        directory: &Utf8Path,
        name: &str,
        command: &str,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            if let Some(lock) = Self::try_acquire(directory, name, command)? {
                return Ok(lock);
            }
            if tokio::time::Instant::now() >= deadline {
                let holder = Self::holder(directory, name);
                return Err(StoreError::Locked { what: name.to_owned(), holder });
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// When its file cannot be opened or written.
    pub fn try_acquire(directory: &Utf8Path, name: &str, command: &str) -> Result<Option<Self>, StoreError> {
        let path = directory.join(format!("{name}.lock"));
        let fail = |source| StoreError::Write { path: path.clone(), source };
        // std opens with O_CLOEXEC. Not truncated: until it is locked the text is the holder's.
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        // The one who held it before may have removed the file: then this lock protects nothing.
        let is_current = match (file.metadata(), std::fs::metadata(&path)) {
            (Ok(ours), Ok(current)) => (ours.dev(), ours.ino()) == (current.dev(), current.ino()),
            _ => false,
        };
        if !is_current {
            return Ok(None);
        }
        let mut lock = Self { file, path };
        lock.write_holder(command).map_err(|source| StoreError::Write { path: lock.path.clone(), source })?;
        Ok(Some(lock))
    }

    /// Who holds the lock `name`, as far as its file says.
    #[must_use]
    pub fn holder(directory: &Utf8Path, name: &str) -> Option<Held> {
        let mut text = String::new();
        let file = File::open(directory.join(format!("{name}.lock"))).ok()?;
        file.take(64 * 1024).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Releases the lock and removes its file. Whoever waits for it makes a new one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove(self) -> Result<(), StoreError> {
        std::fs::remove_file(&self.path).map_err(|source| StoreError::Remove { path: self.path.clone(), source })
    }

    fn write_holder(&mut self, command: &str) -> std::io::Result<()> {
        let held = Held { pid: std::process::id(), command: command.to_owned(), since: Timestamp::now() };
        let text = serde_json::to_vec(&held)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&text)
    }
}

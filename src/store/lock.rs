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

    /// Releases the lock and removes its file, unless somebody did. Whoever waits for it makes a new one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove(self) -> Result<(), StoreError> {
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::Remove { path: self.path.clone(), source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn write_holder(&mut self, command: &str) -> std::io::Result<()> {
        let held = Held { pid: std::process::id(), command: command.to_owned(), since: Timestamp::now() };
        let text = serde_json::to_vec(&held)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("UTF-8");
        (directory, path)
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
    }

    #[test]
    fn a_held_lock_names_its_holder() {
        let (_directory, path) = directory();
        let held = Lock::try_acquire(&path, "agent-1", "launch 1").expect("a lock file").expect("a free lock");
        let error = block_on(Lock::acquire(&path, "agent-1", "teardown 1", Duration::from_millis(50)));
        let error = error.expect_err("a held lock");
        let pid = std::process::id();
        assert_eq!(error.to_string(), format!("agent-1 is being changed by `launch 1` (pid {pid}) for 0 s"));
        assert_eq!(crate::error::Diagnose::exit_code(&error), crate::exit_code::ExitCode::Conflict);
        assert!(Lock::try_acquire(&path, "agent-2", "launch 2").expect("a lock file").is_some());
        drop(held);
        assert!(Lock::try_acquire(&path, "agent-1", "x").expect("a lock file").is_some());
    }

    #[test]
    fn who_waits_gets_the_lock_when_it_is_dropped() {
        let (_directory, path) = directory();
        let held = Lock::try_acquire(&path, "a", "first").expect("a lock file").expect("a free lock");
        let lock = block_on(async {
            let wait = Lock::acquire(&path, "a", "second", Duration::from_secs(5));
            let release = async {
                tokio::task::yield_now().await;
                drop(held);
            };
            tokio::join!(wait, release).0
        });
        drop(lock.expect("the lock"));
        assert_eq!(Lock::holder(&path, "a").expect("a holder").command, "second");
    }

    #[test]
    fn a_removed_lock_is_made_anew() {
        let (_directory, path) = directory();
        let first = Lock::try_acquire(&path, "a", "first").expect("a lock file").expect("a free lock");
        // Opened before the removal, locked after it: worth nothing, so the file is made again.
        let old = File::open(path.join("a.lock")).expect("the file");
        first.remove().expect("a removed file");
        old.try_lock().expect("a lock on a file that is gone");
        let second = Lock::try_acquire(&path, "a", "second").expect("a lock file").expect("a free lock");
        assert!(Lock::try_acquire(&path, "a", "third").expect("a lock file").is_none());
        drop(second);
    }

    #[test]
    fn a_damaged_text_is_no_reason_to_fail() {
        let (_directory, path) = directory();
        let held = Lock::try_acquire(&path, "a", "first").expect("a lock file").expect("a free lock");
        held.file.set_len(3).expect("a shorter file");
        let error = block_on(Lock::acquire(&path, "a", "x", Duration::ZERO)).expect_err("a held lock");
        assert_eq!(error.to_string(), "a is being changed by another command");
    }
}

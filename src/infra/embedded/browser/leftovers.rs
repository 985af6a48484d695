//! What a gateway that was killed left behind: browsers whose profile lies in our directory, and the profiles.

use std::{fs::File, time::Duration};

use camino::Utf8Path;
use rustix::process::Signal;
use tokio::time::Instant;

use super::{
    BrowserError,
    chromium::{Recipe, remove_session},
};
use crate::process::{ProcessError, identity::Handle};

/// Time that killed processes get to disappear.
const LIMIT: Duration = Duration::from_secs(10);

/// Makes `root` this gateway's alone, until the file is dropped, and removes what an earlier one left there.
pub(super) async fn take_over(root: &Utf8Path) -> Result<File, BrowserError> {
    let disk = |source| BrowserError::Disk { path: root.to_owned(), source };
    for directory in [root.to_owned(), Recipe::profiles(root), root.join("cache")] {
        fs_err::create_dir_all(&directory).map_err(disk)?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs_err::set_permissions(&directory, private).map_err(disk)?;
    }
    let lock = File::options().create(true).truncate(false).write(true).open(root.join("lock")).map_err(disk)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(BrowserError::InUse { root: root.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => return Err(disk(error)),
    }
    let profiles = Recipe::profiles(root);
    end_browsers(&profiles).await?;
    for entry in profiles.read_dir_utf8().map_err(disk)? {
        remove_session(entry.map_err(disk)?.path()).map_err(disk)?;
    }
    Ok(lock)
}

/// Ends every process whose command line names a profile below `profiles`.
async fn end_browsers(profiles: &Utf8Path) -> Result<(), ProcessError> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let pids = browsers(profiles)?;
        if pids.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(ProcessError::Immortal { pids });
        }
        for pid in pids {
            let Ok(handle) = Handle::open(pid) else { continue };
            // Looked at again now that the handle holds it: the pid may have been given to another.
            if names_profile(pid, profiles) {
                handle.signal(Signal::KILL)?;
                if tokio::time::timeout_at(deadline, handle.ended()).await.is_ok_and(|ended| ended.is_err()) {
                    return Err(ProcessError::Immortal { pids: vec![pid] });
                }
            }
        }
    }
}

fn browsers(profiles: &Utf8Path) -> Result<Vec<u32>, ProcessError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").map_err(ProcessError::List)? {
        let name = entry.map_err(ProcessError::List)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if names_profile(pid, profiles) {
            found.push(pid);
        }
    }
    Ok(found)
}

fn names_profile(pid: u32, profiles: &Utf8Path) -> bool {
    let flag = format!("--user-data-dir={profiles}/");
    // A process that is gone, or has ended and waits to be reaped, has an empty command line.
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.windows(flag.len()).any(|part| part == flag.as_bytes()))
}

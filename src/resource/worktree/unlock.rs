//! What a git that was told to end still does, and the locks that it leaves behind when it is killed between taking one
//! and noting that it has it.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{WorktreeError, place::Found};
use crate::process::named;

/// How long a git that was told to end may take for it. git works there, and holds these locks, for milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often they are looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Waits, two seconds at most, until no git is at work on a worktree of ours that is to be removed: a launch that was
/// killed has its own git end with it, but what that had started itself goes on, and writes a reflog into a folder that
/// is gone.
pub(super) async fn await_git(found: &Found) -> Result<(), WorktreeError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let places: Vec<&str> =
        [found.dir.as_str(), found.private.as_str()].into_iter().filter(|place| !place.is_empty()).collect();
    let works = || {
        named::is_about("git", &places).map_err(|source| WorktreeError::File {
            act: "read",
            path: "/proc".into(),
            source,
        })
    };
    while tokio::time::Instant::now() < deadline && works()? {
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

/// Waits until nobody has a lock on a worktree of ours that is half made or half removed, or on its branch. One that
/// stays is nobody's, and is removed.
pub(super) async fn unlock(common_dir: &Utf8Path, found: &Found) -> Result<(), WorktreeError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Some(lock) = lock_of(common_dir, found) {
        if tokio::time::Instant::now() < deadline {
            tokio::time::sleep(INTERVAL).await;
            continue;
        }
        match std::fs::remove_file(&lock) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(WorktreeError::File { act: "remove", path: lock, source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn lock_of(common_dir: &Utf8Path, found: &Found) -> Option<Utf8PathBuf> {
    let of_branch = common_dir.join(format!("{}.lock", found.claim.branch.reference()));
    if of_branch.exists() {
        return Some(of_branch);
    }
    let mut entries = found.private.read_dir_utf8().ok()?;
    entries.find_map(|entry| Some(entry.ok()?.into_path()).filter(|path| path.extension() == Some("lock")))
}

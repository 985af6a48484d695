//! `<cache>/obtained/<name>-<version>`: there as a whole or not at all.
//!
//! Everything happens in a staging directory beside it, under a lock, and the last act is a rename. What a command
//! that was ended left behind is removed by the next one that holds the lock.

use std::{fs::File, io, os::unix::fs::PermissionsExt as _, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Machine, ObtainError, download::Downloader, pins::Pin, unpack};

/// How often a busy lock is looked at.
const LOOK: Duration = Duration::from_millis(50);

impl Machine<'_> {
    /// Where `pin` is kept, if it is.
    pub(super) fn kept(&self, pin: &Pin) -> Option<Utf8PathBuf> {
        Some(self.paths.obtained().join(pin.directory())).filter(|path| path.is_dir())
    }

    /// Obtains `pin` unless it is kept already. `what` and `why` are for the telling, `install` for the hint.
    pub(super) async fn keep(
        &self,
        pin: &'static Pin,
        downloader: &Downloader,
        what: &str,
        why: &str,
        install: &str,
    ) -> Result<Utf8PathBuf, ObtainError> {
        let obtained = self.paths.obtained();
        make_open(&obtained).map_err(disk(&obtained))?;
        let _lock = self.lock(&obtained.join(format!(".{}.lock", pin.directory())), what).await?;
        if let Some(path) = self.kept(pin) {
            return Ok(path);
        }
        let staging = obtained.join(format!(".{}.part", pin.directory()));
        remove_all(&staging).map_err(disk(&staging))?;
        make_open(&staging).map_err(disk(&staging))?;
        let staging = Staging(staging);
        (self.tell)(&pin.announcement(what, why));
        let file = self.download(downloader, pin, &staging.0, install).await?;
        let tree = staging.0.join("tree");
        make_open(&tree).map_err(disk(&tree))?;
        let (layout, root) = (pin.layout, tree.clone());
        tokio::task::spawn_blocking(move || unpack::unpack(layout, &file, &root))
            .await
            .map_err(|error| ObtainError::Disk { path: tree.clone(), source: io::Error::other(error) })??;
        let place = obtained.join(pin.directory());
        settle(&tree, &place).map_err(disk(&place))?;
        (self.tell)(&format!("Obtained {what}, kept in {place}"));
        Ok(place)
    }

    async fn lock(&self, path: &Utf8Path, what: &str) -> Result<File, ObtainError> {
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(disk(path))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::Error(error)) => return Err(disk(path)(error)),
                Err(std::fs::TryLockError::WouldBlock) => {}
            }
            if !told {
                (self.tell)(&format!("Another command is obtaining {what}, waiting for it"));
                told = true;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The directory of one download; gone when dropped.
struct Staging(Utf8PathBuf);

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next holder of the lock.
        drop(remove_all(&self.0));
    }
}

fn disk(path: &Utf8Path) -> impl FnOnce(io::Error) -> ObtainError {
    move |source| ObtainError::Disk { path: path.to_owned(), source }
}

fn remove_all(path: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes all of `tree` to the disk and gives it its final name.
fn settle(tree: &Utf8Path, place: &Utf8Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(tree)?)?;
    fs_err::rename(tree, place)?;
    let parent = place.parent().unwrap_or(place);
    File::open(parent)?.sync_all()
}

/// Whether `user` can pass through every directory down to `path`; else the first that is closed.
pub(super) fn reachable(path: &Utf8Path, user: crate::model::stack::RunAs) -> Result<(), Utf8PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let mut down: Vec<&Utf8Path> = path.ancestors().collect();
    down.reverse();
    let closed = down.into_iter().find(|directory| {
        let Ok(metadata) = directory.metadata() else { return true };
        let shift = if metadata.uid() == user.uid {
            6
        } else if metadata.gid() == user.gid {
            3
        } else {
            0
        };
        metadata.mode() >> shift & 1 == 0
    });
    closed.map_or(Ok(()), |directory| Err(directory.to_owned()))
}

/// Makes a directory and its missing parents so that other users pass through (PostgreSQL runs as another user under
/// root), whatever the umask is.
pub(super) fn make_open(path: &Utf8Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_open(parent)?;
    }
    match fs_err::create_dir(path) {
        Ok(()) => fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

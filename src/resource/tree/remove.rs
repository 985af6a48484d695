//! Removes a tree.

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use camino::Utf8Path;
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, FileType, Mode, chmod, fchmod, fstat, openat, unlinkat},
    io::Errno,
};

use super::{
    crew::crew,
    folder::{FOLDER, entries},
    stop::{Stop, on_thread},
};

/// Removes the folder `path` with all in it, as far as it is there: what somebody else removes meanwhile is gone, too.
/// Symlinks are removed, never followed.
///
/// # Errors
/// When something cannot be removed.
pub async fn remove(path: &Utf8Path) -> io::Result<()> {
    let path = path.to_owned();
    on_thread(move |stop| {
        let is_folder = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?.is_dir(),
        };
        if is_folder { all(path.as_std_path(), stop) } else { std::fs::remove_file(&path) }
    })
    .await
}

fn all(path: &Path, stop: &Stop) -> io::Result<()> {
    let root = Folder { path: path.to_owned(), parent: None, open: AtomicUsize::new(1) };
    let empty = |folder: Arc<Folder>, found: &mut Vec<Arc<Folder>>, (): &mut ()| folder.empty(found);
    crew(vec![Arc::new(root)], stop, empty).map(drop)
}

/// A folder that is being emptied.
struct Folder {
    path: PathBuf,
    parent: Option<Arc<Self>>,
    /// How many of its folders are still there, and one for as long as it is being read.
    open: AtomicUsize,
}

impl Folder {
    /// Removes what lies in it; folders in it are added to `found`. Whoever finds it empty removes it.
    fn empty(self: Arc<Self>, found: &mut Vec<Arc<Self>>) -> io::Result<()> {
        let folder = match open(&self.path) {
            Err(Errno::NOENT) => return self.leave(),
            folder => folder.map_err(at(&self.path))?,
        };
        for (name, kind) in entries(&folder).map_err(at(&self.path))? {
            let path = self.path.join(OsStr::from_bytes(name.to_bytes()));
            if kind == FileType::Directory {
                self.open.fetch_add(1, Ordering::Relaxed);
                found.push(Arc::new(Self { path, parent: Some(Arc::clone(&self)), open: AtomicUsize::new(1) }));
                continue;
            }
            match unlinkat(&folder, &name, AtFlags::empty()) {
                Err(Errno::NOENT) => {}
                removed => removed.map_err(at(&path))?,
            }
        }
        self.leave()
    }

    /// Removes it, and the folders that it lies in, as far as they are empty now.
    fn leave(self: Arc<Self>) -> io::Result<()> {
        let mut folder = self;
        while folder.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            match fs_err::remove_dir(&folder.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
            let Some(parent) = folder.parent.clone() else { break };
            folder = parent;
        }
        Ok(())
    }
}

/// Opens a folder; one that was made read-only is its owner's to empty.
fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let folder = match openat(CWD, path, FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => {
            chmod(path, Mode::RWXU)?;
            openat(CWD, path, FOLDER, Mode::empty())?
        }
        folder => folder?,
    };
    if !Mode::from_raw_mode(fstat(&folder)?.st_mode).contains(Mode::RWXU) {
        fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

fn at(path: &Path) -> impl Fn(Errno) -> io::Error {
    move |errno| io::Error::new(io::Error::from(errno).kind(), format!("{}: {errno}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn all_of_it_goes_and_nothing_beyond() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(directory.path()).expect("UTF-8");
        for path in ["out/kept", "tree/a/b/c", "tree/x", "tree/locked/y"] {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs_err::write(path, "x").expect("a file");
        }
        std::os::unix::fs::symlink(root.join("out"), root.join("tree/link")).expect("a link");
        fs_err::set_permissions(root.join("tree/locked"), std::fs::Permissions::from_mode(0o555)).expect("chmod");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(remove(&root.join("tree"))).expect("a removed tree");
        runtime.block_on(remove(&root.join("tree"))).expect("nothing to remove");
        assert!(!root.join("tree").exists() && root.join("out/kept").exists());
    }
}

//! Writes several files, all or none as far as a file system lets one.
//!
//! Everything that can fail for want of rights or room is done first: folders are made, and each content is written and
//! synced beside its target. Then the new files are renamed into their places.

use std::{io::Write as _, os::unix::fs::PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::NamedTempFile;

use super::files::Wanted;
use crate::store::StoreError;

/// Writes `files` into the checkout at `root`. When one cannot be written, nothing was changed.
///
/// # Errors
/// Which one, and why.
pub(super) fn write<'a>(root: &Utf8Path, files: impl IntoIterator<Item = &'a Wanted>) -> Result<(), StoreError> {
    let mut folders = Folders(Vec::new());
    let mut ready = Vec::new();
    for file in files {
        let path = root.join(file.path);
        let fail = |source| StoreError::Write { path: path.clone(), source };
        let folder = path.parent().unwrap_or(root);
        folders.ensure(folder).map_err(|source| StoreError::Write { path: folder.to_owned(), source })?;
        let mode = if file.executable { 0o755 } else { 0o644 };
        let mut beside = tempfile::Builder::new()
            .prefix(".tmp-")
            .permissions(std::fs::Permissions::from_mode(mode))
            .tempfile_in(folder)
            .map_err(fail)?;
        beside.write_all(file.text.as_bytes()).and_then(|()| beside.as_file().sync_all()).map_err(fail)?;
        ready.push((beside, path));
    }
    for (beside, path) in ready {
        NamedTempFile::persist(beside, &path).map_err(|error| StoreError::Write { path, source: error.error })?;
        // From here on the folders hold something.
        folders.0.clear();
    }
    Ok(())
}

/// Folders that were made on the way. Dropped, they are removed again, as far as they are empty.
struct Folders(Vec<Utf8PathBuf>);

impl Folders {
    fn ensure(&mut self, folder: &Utf8Path) -> std::io::Result<()> {
        let missing: Vec<&Utf8Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(folder)?;
            self.0.push(folder.to_owned());
        }
        Ok(())
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // One that is not empty is not ours alone any more.
            drop(std::fs::remove_dir(folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &'static str, executable: bool) -> Wanted {
        Wanted { path: Utf8Path::new(path), text: format!("{path}\n"), executable }
    }

    #[test]
    fn all_are_written_with_their_modes() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(directory.path()).expect("UTF-8");
        write(root, &[file("a/b/c", false), file("a/x.sh", true)]).expect("written files");
        let mode = |path| fs_err::metadata(root.join(path)).expect("a file").permissions().mode() & 0o777;
        // What others may is the umask's to say.
        assert_eq!((mode("a/b/c") & 0o700, mode("a/x.sh") & 0o700), (0o600, 0o700));
        assert_eq!(fs_err::read_to_string(root.join("a/b/c")).expect("a text"), "a/b/c\n");
    }

    #[test]
    fn a_failure_leaves_everything_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(directory.path()).expect("UTF-8");
        fs_err::File::create(root.join("in-the-way")).expect("a file");
        let result = write(root, &[file("new/b/c", false), file("in-the-way/x", false)]);
        assert!(matches!(result, Err(StoreError::Write { path, .. }) if path.ends_with("in-the-way/x")));
        let left: Vec<String> = root
            .read_dir_utf8()
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().to_owned())
            .collect();
        assert_eq!(left, ["in-the-way"]);
    }
}

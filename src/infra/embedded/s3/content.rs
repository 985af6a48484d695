//! Content files: written once under a random name, never changed, removed when the index no longer names them.

use std::{collections::HashSet, fs::File};

use camino::{Utf8Path, Utf8PathBuf};

use super::error::StorageError;

/// The name of a content file: 32 hexadecimal digits, of which the first eight are the same for all files that one run
/// of the server writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId(String);

impl FileId {
    /// A name as the index holds it.
    pub(crate) const fn from_index(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The mark of one run of the server: files of this run that the index does not name may still be on their way into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run([u8; 4]);

impl Run {
    /// A new mark.
    pub(crate) fn new() -> Self {
        Self(random())
    }

    fn prefix(self) -> String {
        hex::encode(self.0)
    }
}

/// Random bytes from the kernel.
///
/// # Panics
/// When the kernel gives none, which it does not once it has booted.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// The content directory of one root.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    directory: Utf8PathBuf,
    run: Run,
}

/// A content file that no index names yet; dropping it removes it.
#[derive(Debug)]
pub(crate) struct NewFile {
    id: FileId,
    path: Utf8PathBuf,
    kept: bool,
}

impl NewFile {
    pub(crate) const fn id(&self) -> &FileId {
        &self.id
    }

    /// The index names it now.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// Makes the file's entry in its directory durable.
    pub(crate) fn sync_directory(&self) -> Result<(), StorageError> {
        let directory = self.path.parent().unwrap_or(Utf8Path::new("."));
        File::open(directory).and_then(|file| file.sync_all()).map_err(StorageError::io("sync", directory))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is rubbish that the next start sweeps away.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

impl Content {
    pub(crate) const fn new(directory: Utf8PathBuf, run: Run) -> Self {
        Self { directory, run }
    }

    fn path(&self, id: &FileId) -> Utf8PathBuf {
        // The last two digits are random; the first ones are the same for a whole run.
        let folder = &id.0[id.0.len().saturating_sub(2)..];
        self.directory.join(folder).join(&id.0)
    }

    /// A new, empty file.
    pub(crate) fn create(&self) -> Result<(NewFile, File), StorageError> {
        let new = self.reserve();
        let file = self.within_folder(&new, |path| File::create_new(path))?;
        Ok((new, file))
    }

    /// A second name for the content of `id`, which costs nothing because contents never change.
    pub(crate) fn link(&self, id: &FileId) -> Result<NewFile, StorageError> {
        let new = self.reserve();
        let original = self.path(id);
        self.within_folder(&new, |path| std::fs::hard_link(&original, path))?;
        Ok(new)
    }

    fn reserve(&self) -> NewFile {
        let id = FileId(self.run.prefix() + &hex::encode(random::<12>()));
        let path = self.path(&id);
        NewFile { id, path, kept: false }
    }

    /// Does `act` on the file's path; the folder is made when it is missing, but never the root above it, which may
    /// just have been removed.
    fn within_folder<T>(
        &self,
        new: &NewFile,
        act: impl Fn(&Utf8Path) -> std::io::Result<T>,
    ) -> Result<T, StorageError> {
        let missing = match act(&new.path) {
            Ok(done) => return Ok(done),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => new.path.parent(),
            Err(error) => return Err(StorageError::io("create", &new.path)(error)),
        };
        if let Some(folder) = missing {
            match std::fs::create_dir(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(StorageError::io("create", folder)(error));
                }
                _ => {}
            }
            File::open(&self.directory)
                .and_then(|directory| directory.sync_all())
                .map_err(StorageError::io("sync", &self.directory))?;
        }
        act(&new.path).map_err(StorageError::io("create", &new.path))
    }

    /// Opens a content for reading.
    pub(crate) fn open(&self, id: &FileId) -> Result<File, StorageError> {
        let path = self.path(id);
        File::open(&path).map_err(StorageError::io("read", path))
    }

    /// Removes a content that the index no longer names. What cannot be removed is swept away at the next start.
    pub(crate) fn remove(&self, id: &FileId) {
        drop(std::fs::remove_file(self.path(id)));
    }

    /// Removes the files of earlier runs that are not in `known`; returns how many.
    pub(crate) fn sweep(&self, known: &HashSet<String>) -> Result<usize, StorageError> {
        let mut swept = 0;
        let prefix = self.run.prefix();
        for folder in self.directory.read_dir_utf8().map_err(StorageError::io("list", &self.directory))? {
            let folder = folder.map_err(StorageError::io("list", &self.directory))?;
            for file in folder.path().read_dir_utf8().map_err(StorageError::io("list", folder.path()))? {
                let file = file.map_err(StorageError::io("list", folder.path()))?;
                if !file.file_name().starts_with(&prefix) && !known.contains(file.file_name()) {
                    std::fs::remove_file(file.path()).map_err(StorageError::io("remove", file.path()))?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }
}

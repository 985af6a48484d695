//! Replaces a file as a whole or not at all.

use std::io::Write as _;

use camino::Utf8Path;

use super::StoreError;

/// Who may read a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Mode 0600: secrets and everything that may carry them.
    Private,
    /// Mode 0644.
    Shared,
}

/// Writes `content` beside `path`, syncs it and renames it over `path`: after a crash the file is the old or the new
/// one. The directory must exist.
///
/// # Errors
/// When the file cannot be written; `path` is then as it was.
pub fn write(path: &Utf8Path, content: &[u8], access: Access) -> Result<(), StoreError> {
    let fail = |source| StoreError::Write { path: path.to_owned(), source };
    let file = beside(path, content, access)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    std::fs::File::open(directory(path)).and_then(|directory| directory.sync_all()).map_err(fail)
}

/// As [`write`], but without waiting for the disk: the file is whole after any death of a process, not of the machine.
///
/// # Errors
/// As [`write`].
pub fn replace(path: &Utf8Path, content: &[u8], access: Access) -> Result<(), StoreError> {
    let file = beside(path, content, access)?;
    file.persist(path).map_err(|error| StoreError::Write { path: path.to_owned(), source: error.error })?;
    Ok(())
}

fn directory(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or(Utf8Path::new("."))
}

fn beside(path: &Utf8Path, content: &[u8], access: Access) -> Result<tempfile::NamedTempFile, StoreError> {
    let fail = |source| StoreError::Write { path: path.to_owned(), source };
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(match access {
            Access::Private => 0o600,
            Access::Shared => 0o644,
        }))
        .tempfile_in(directory(path))
        .map_err(fail)?;
    file.write_all(content).map_err(fail)?;
    Ok(file)
}

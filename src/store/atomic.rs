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
    let directory = path.parent().unwrap_or(Utf8Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(match access {
            Access::Private => 0o600,
            Access::Shared => 0o644,
        }))
        .tempfile_in(directory)
        .map_err(fail)?;
    file.write_all(content).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(fail)
}

//! Removes what is left of us on disk once nothing is in use.

use camino::Utf8Path;

use super::OpsError;
use crate::{config::paths::Paths, error::Result};

/// What lies in the state directory beside the infra's data, which `setup::remove` removes.
const STATE: [&str; 8] = ["templates", "workdirs", "demo", "stacks", "agents", "tmp", "locks", "registry.json"];
/// What lies in the cache directory.
const CACHE: [&str; 2] = ["obtained", "probes"];

/// Removes all of ours from the state directory, and the directory itself. `false` when something else lies there.
pub(super) fn state(paths: &Paths) -> Result<bool> {
    remove_all(&paths.state, &STATE)
}

/// Removes all of ours from the cache directory, and the directory itself. `false` when something else lies there.
pub(super) fn cache(paths: &Paths) -> Result<bool> {
    remove_all(&paths.cache, &CACHE)
}

fn remove_all(directory: &Utf8Path, names: &[&str]) -> Result<bool> {
    for name in names {
        remove(&directory.join(name))?;
    }
    match fs_err::remove_dir(directory) {
        // What else lies there is not ours.
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(OpsError::File { act: "remove", path: directory.to_owned(), source }.into())
        }
        Ok(()) | Err(_) => Ok(true),
    }
}

/// Removes a file or a tree; one that is not there is no error.
pub(super) fn remove(path: &Utf8Path) -> Result<()> {
    // Not followed: a link to somewhere else is removed, not what it leads to.
    let is_tree = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let result = if is_tree { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) };
    match result {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(OpsError::File { act: "remove", path: path.to_owned(), source }.into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

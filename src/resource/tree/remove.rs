//! Removes a tree.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use ignore::{WalkBuilder, WalkState};

use super::stop::{on_thread, threads};

/// Removes the folder `path` with all in it, if it is there. Symlinks are removed, never followed.
///
/// # Errors
/// When something cannot be removed.
pub async fn remove(path: &Utf8Path) -> std::io::Result<()> {
    let path = path.to_owned();
    on_thread(move |stop| {
        let is_folder = match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            found => found?.is_dir(),
        };
        if !is_folder {
            return std::fs::remove_file(&path);
        }
        // What cannot be removed here is met again below, where its error counts.
        let walker =
            WalkBuilder::new(&path).standard_filters(false).follow_links(false).threads(threads()).build_parallel();
        walker.run(|| {
            Box::new(|entry| {
                if stop.is_told() {
                    return WalkState::Quit;
                }
                let Ok(entry) = entry else { return WalkState::Continue };
                if entry.file_type().is_some_and(|kind| kind.is_dir()) {
                    make_writable(entry.path());
                } else {
                    drop(std::fs::remove_file(entry.path()));
                }
                WalkState::Continue
            })
        });
        if stop.is_told() { Ok(()) } else { std::fs::remove_dir_all(&path) }
    })
    .await
}

/// Lets the owner remove what is in a folder that was made read-only.
fn make_writable(folder: &std::path::Path) {
    let Ok(metadata) = folder.symlink_metadata() else { return };
    let mode = metadata.permissions().mode();
    if mode & 0o700 != 0o700 {
        drop(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o700)));
    }
}

#[cfg(test)]
mod tests {
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

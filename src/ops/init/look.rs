//! What lies where a file is to be written.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;

use super::{
    InitError,
    files::Wanted,
    record::{self, Record},
};
use crate::store::StoreError;

/// What lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Absent,
    /// The very file.
    Equal,
    /// What an earlier `init` wrote, unedited.
    Earlier,
    /// What an earlier `init` wrote, and somebody edited.
    Edited,
    /// A file that `init` did not write.
    Foreign,
    /// A symbolic link, a folder or something else that is no file.
    NoFile,
}

/// Looks at the place of `wanted` in the checkout at `root`.
///
/// # Errors
/// When the place cannot be read, or a folder on the way leads out of the checkout.
pub(super) fn look(root: &Utf8Path, wanted: &Wanted, record: &Record) -> Result<Found, InitError> {
    let path = root.join(wanted.path);
    stays_inside(root, &path)?;
    let fail = |source| StoreError::Read { path: path.clone(), source };
    let metadata = match std::fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(Found::Absent),
        Err(source) => return Err(fail(source).into()),
    };
    if !metadata.is_file() {
        return Ok(Found::NoFile);
    }
    let content = std::fs::read(&path).map_err(fail)?;
    let is_executable = metadata.permissions().mode() & 0o100 != 0;
    let same = record::unix_lines(&content) == wanted.text.as_bytes();
    // Only a script is harmed by CRLF, and by a missing right to execute it.
    let runs = !wanted.executable || (is_executable && content == wanted.text.as_bytes());
    Ok(match record.files.get(wanted.path) {
        _ if same && runs => Found::Equal,
        _ if same => Found::Earlier,
        Some(hash) if *hash == record::hash(&content) => Found::Earlier,
        Some(_) => Found::Edited,
        None => Found::Foreign,
    })
}

/// Nothing is there, or a file lies where a folder on the way would be.
pub(super) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// The nearest folder of `path` that exists must lie in the checkout, wherever symbolic links lead.
fn stays_inside(root: &Utf8Path, path: &Utf8Path) -> Result<(), InitError> {
    let fail = |folder: &Utf8Path, source| StoreError::Read { path: folder.to_owned(), source };
    let root = root.canonicalize_utf8().map_err(|source| fail(root, source))?;
    for folder in path.ancestors().skip(1) {
        match std::fs::symlink_metadata(folder) {
            Err(error) if is_absent(&error) => continue,
            Err(source) => return Err(fail(folder, source).into()),
            Ok(_) => {}
        }
        let real = folder.canonicalize_utf8().map_err(|source| fail(folder, source))?;
        if !real.starts_with(&root) {
            return Err(InitError::Outside { folder: folder.to_owned(), real });
        }
        if !real.is_dir() {
            return Err(InitError::NoFolder { path: folder.to_owned() });
        }
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use camino::Utf8PathBuf;

    use super::*;

    struct Checkout {
        root: Utf8PathBuf,
        _directory: tempfile::TempDir,
    }

    impl Checkout {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let root = Utf8PathBuf::from_path_buf(directory.path().join("app")).expect("UTF-8");
            fs_err::create_dir_all(root.join("agent-harness")).expect("a folder");
            Self { root, _directory: directory }
        }

        fn write(&self, text: &str, mode: u32) {
            let path = self.root.join(WHERE);
            fs_err::File::create(&path)
                .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
                .expect("a file");
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        }
    }

    const WHERE: &str = "agent-harness/x.sh";

    fn wanted(executable: bool) -> Wanted {
        Wanted { path: Utf8Path::new(WHERE), text: "new\nlines\n".to_owned(), executable }
    }

    #[test]
    fn an_edited_file_is_told_from_one_of_ours() {
        let checkout = Checkout::new();
        let mut record = Record::new();
        let look = |record: &Record, executable| look(&checkout.root, &wanted(executable), record).expect("a look");
        assert_eq!(look(&record, true), Found::Absent);
        checkout.write("old\n", 0o755);
        assert_eq!(look(&record, true), Found::Foreign);
        record.files.insert(WHERE.into(), record::hash(b"old\n"));
        assert_eq!(look(&record, true), Found::Earlier);
        checkout.write("old\r\n", 0o755);
        assert_eq!(look(&record, true), Found::Earlier);
        checkout.write("old, edited\n", 0o755);
        assert_eq!(look(&record, true), Found::Edited);
        checkout.write("new\nlines\n", 0o755);
        assert_eq!(look(&record, true), Found::Equal);
        assert_eq!(look(&Record::new(), true), Found::Equal);
        // A script must be able to run; a text may have the lines that git gave it.
        checkout.write("new\nlines\n", 0o644);
        assert_eq!((look(&record, true), look(&record, false)), (Found::Earlier, Found::Equal));
        checkout.write("new\r\nlines\r\n", 0o755);
        assert_eq!((look(&record, true), look(&record, false)), (Found::Earlier, Found::Equal));
    }

    #[test]
    fn links_are_no_files_and_lead_nowhere_else() {
        let checkout = Checkout::new();
        let (root, record) = (&checkout.root, Record::new());
        let outside = root.parent().expect("a parent").join("outside");
        fs_err::create_dir(&outside).expect("a folder");
        symlink(outside.join("nothing"), root.join(WHERE)).expect("a link");
        assert_eq!(look(root, &wanted(true), &record).expect("a look"), Found::NoFile);
        fs_err::remove_dir_all(root.join("agent-harness")).expect("the folder");
        symlink(&outside, root.join("agent-harness")).expect("a link");
        assert!(matches!(look(root, &wanted(true), &record), Err(InitError::Outside { .. })));
        fs_err::remove_file(root.join("agent-harness")).expect("the link");
        // A link that stays in the checkout is somebody's wish.
        fs_err::create_dir(root.join("tools")).expect("a folder");
        symlink("tools", root.join("agent-harness")).expect("a link");
        assert_eq!(look(root, &wanted(true), &record).expect("a look"), Found::Absent);
        fs_err::remove_file(root.join("agent-harness")).expect("the link");
        checkout_file(root);
        assert!(matches!(look(root, &wanted(true), &record), Err(InitError::NoFolder { .. })));
    }

    fn checkout_file(root: &Utf8Path) {
        fs_err::File::create(root.join("agent-harness")).expect("a file");
    }
}

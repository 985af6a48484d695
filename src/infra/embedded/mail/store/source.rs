//! The source of a mail on its way to disk.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Store, layout};
use crate::infra::embedded::mail::MailError;

/// Letters of ids: no look-alikes, as Mailpit has them.
const LETTERS: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A new id of 22 letters and digits.
pub(in crate::infra::embedded::mail) fn new_id() -> Result<String, MailError> {
    let mut random = [0_u8; 44];
    getrandom::fill(&mut random).map_err(|error| MailError::Random(error.to_string()))?;
    let letter = |pair: &[u8]| char::from(LETTERS[usize::from(u16::from_be_bytes([pair[0], pair[1]])) % LETTERS.len()]);
    Ok(random.chunks_exact(2).map(letter).collect())
}

/// Whether `text` may be an id, and so a file name.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A whole source: in memory while it is small, else in a file of the spool.
#[derive(Debug)]
pub(in crate::infra::embedded::mail) enum Content {
    Memory(Vec<u8>),
    File(Spool),
}

/// A source being written to the spool. Dropped, it is removed.
#[derive(Debug)]
pub(in crate::infra::embedded::mail) struct Spool {
    file: tempfile::NamedTempFile,
    directory: Utf8PathBuf,
}

impl Spool {
    /// A new, empty file in the spool.
    pub(in crate::infra::embedded::mail) fn new(store: &Store) -> Result<Self, MailError> {
        let directory = layout::spool(&store.root);
        let fail = |source| MailError::File { act: "write to", path: directory.clone(), source };
        let file = tempfile::NamedTempFile::new_in(&directory).map_err(fail)?;
        Ok(Self { file, directory })
    }

    /// Appends to it.
    pub(in crate::infra::embedded::mail) fn write(&mut self, bytes: &[u8]) -> Result<(), MailError> {
        let fail = |source| MailError::File { act: "write to", path: self.directory.clone(), source };
        self.file.as_file_mut().write_all(bytes).map_err(fail)
    }

    /// Makes it durable under the name `target`, and gives its bytes.
    pub(super) fn settle(self, target: &Utf8Path) -> Result<Vec<u8>, MailError> {
        let fail = |source| MailError::File { act: "write", path: target.to_owned(), source };
        self.file.as_file().sync_all().map_err(fail)?;
        self.file.persist_noclobber(target).map_err(|error| fail(error.error))?;
        if let Some(directory) = target.parent() {
            layout::sync_directory(directory)?;
        }
        fs_err::read(target).map_err(fail)
    }
}

/// Removes what an earlier process left in the spool: none of it was acknowledged.
pub(super) fn clear_spool(root: &Utf8Path) -> Result<(), MailError> {
    let directory = layout::spool(root);
    let fail = |source| MailError::File { act: "clear", path: directory.clone(), source };
    for entry in directory.read_dir_utf8().map_err(fail)? {
        fs_err::remove_file(entry.map_err(fail)?.path()).map_err(fail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_file_names() {
        let id = new_id().expect("randomness");
        assert!(is_id(&id), "{id}");
        assert_ne!(id, new_id().expect("randomness"));
        for bad in ["", "latest", "../../../../etc/passwd0", "aaaaaaaaaaaaaaaaaaaaa/"] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}

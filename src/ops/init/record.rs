//! `agent-harness/.init.json`: what `init` wrote, so that the next one can tell an edited file from one of its own.
//!
//! It is committed with the files, so it is there after a clone. A hash is taken with every CRLF read as LF: git may
//! check a file out with either.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Act, InitError, look::is_absent};
use crate::store::{
    StoreError,
    atomic::{self, Access},
};

/// Where it lies, relative to the checkout.
pub(super) const PATH: &str = "agent-harness/.init.json";

/// The version that is written.
const VERSION: u64 = 1;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// [`VERSION`].
    version: u64,
    /// For whoever opens the file.
    about: String,
    /// The profile that the manifest was written from; none when it was made from what the checkout has.
    pub(super) profile: Option<String>,
    /// SHA-256 of each written file, by its path in the checkout.
    pub(super) files: BTreeMap<Utf8PathBuf, String>,
}

impl Record {
    /// The record of a checkout in which `init` wrote nothing.
    pub(super) fn new() -> Self {
        let about =
            "What `agent-harness init` wrote, so that it never overwrites an edited file. Commit it.".to_owned();
        Self { version: VERSION, about, profile: None, files: BTreeMap::new() }
    }

    /// The record of the checkout at `root`. One that is damaged, say by a merge, is as good as none: then a file
    /// counts as edited unless it is just what would be written.
    ///
    /// # Errors
    /// When it cannot be read, or a newer version wrote it.
    pub(super) fn read(root: &Utf8Path) -> Result<Self, InitError> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let path = root.join(PATH);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => return Ok(Self::new()),
            Err(source) => return Err(StoreError::Read { path, source }.into()),
        };
        match serde_json::from_slice(&bytes) {
            Ok(Version { version }) if version > VERSION => {
                Err(StoreError::Newer { path, found: version, known: VERSION }.into())
            }
            _ => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|_| Self::new())),
        }
    }

    /// The record as it lies on disk.
    pub(super) fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a record is plain JSON");
        text.push('\n');
        text
    }

    /// Writes it, unless it is there already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, root: &Utf8Path) -> Result<(), StoreError> {
        if self.act(root) == Act::None {
            return Ok(());
        }
        atomic::write(&root.join(PATH), self.text().as_bytes(), Access::Shared)
    }

    /// What is to be done for the checkout at `root` to have just this record.
    pub(super) fn act(&self, root: &Utf8Path) -> Act {
        match std::fs::read(root.join(PATH)) {
            Ok(old) if unix_lines(&old) == self.text().as_bytes() => Act::None,
            Ok(_) => Act::Update,
            Err(_) => Act::Write,
        }
    }
}

/// The hash that is recorded of `content`.
pub(super) fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(unix_lines(content)))
}

/// `content` with every CRLF as LF.
pub(super) fn unix_lines(content: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        lines.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
    }
    lines.extend_from_slice(rest);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds_have_one_hash() {
        assert_eq!(unix_lines(b"a\r\nb\r\r\n\rc\n"), b"a\nb\r\n\rc\n");
        assert_eq!(hash(b"a\r\nb\r\n"), hash(b"a\nb\n"));
        assert_ne!(hash(b"a\rb"), hash(b"a\nb"));
    }

    #[test]
    fn a_damaged_record_is_none_and_a_newer_one_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let write = |text: &str| {
            fs_err::create_dir_all(root.join("agent-harness")).expect("a folder");
            atomic::write(&root.join(PATH), text.as_bytes(), Access::Shared).expect("a file");
        };
        assert_eq!(Record::read(root).expect("none"), Record::new());
        for damaged in ["", "<<<<<<< HEAD\n{}", "{\"version\": 1}", "[]"] {
            write(damaged);
            assert_eq!(Record::read(root).expect("none"), Record::new());
        }
        write("{\"version\": 2, \"files\": 3}");
        assert!(matches!(Record::read(root), Err(InitError::Store(StoreError::Newer { found: 2, .. }))));
        let mut record = Record::new();
        record.files.insert("a".into(), hash(b"x"));
        fs_err::remove_file(root.join(PATH)).expect("the file");
        record.write(root).expect("a record");
        assert_eq!(Record::read(root).expect("it"), record);
        write(&record.text().replace('\n', "\r\n"));
        assert_eq!(record.act(root), Act::None);
    }
}

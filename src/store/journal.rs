//! Steps begun and done, one JSON value a line, so that the next command knows what a crash interrupted.
//!
//! A beginning is on disk before its step has any effect. An end need not be: a step that is done again changes nothing.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{StoreError, record::make_private_directory};

/// The journal of one agent or of the infra, open for writing.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: Utf8PathBuf,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    at: Timestamp,
    operation: String,
    step: String,
    event: Event,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Event {
    Begun,
    Done,
}

/// A step that was begun and never done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// The operation that it belonged to: `launch`, `teardown`, `setup`.
    pub operation: String,
    /// Its name.
    pub step: String,
    /// When it was begun.
    pub at: Timestamp,
}

impl Journal {
    /// Opens the journal at `path`, making it and its directory. A last line that a crash cut short is closed, so that
    /// the next one stands alone.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Utf8Path) -> Result<Self, StoreError> {
        if let Some(directory) = path.parent() {
            make_private_directory(directory)?;
        }
        let fail = |source| StoreError::Write { path: path.to_owned(), source };
        let mut file = File::options().create(true).read(true).append(true).mode(0o600).open(path).map_err(fail)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(fail)?;
        if text.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n").map_err(fail)?;
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Records that `steps` begin, and waits until the disk has it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&mut self, operation: &str, steps: &[&str]) -> Result<(), StoreError> {
        self.append(operation, steps, Event::Begun)?;
        self.file.sync_data().map_err(|source| StoreError::Write { path: self.path.clone(), source })
    }

    /// Records that `step` is done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn done(&mut self, operation: &str, step: &str) -> Result<(), StoreError> {
        self.append(operation, &[step], Event::Done)
    }

    /// Starts again with an empty journal: an operation came to its end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(|source| StoreError::Write { path: self.path.clone(), source })
    }

    fn append(&mut self, operation: &str, steps: &[&str], event: Event) -> Result<(), StoreError> {
        let fail = |source| StoreError::Write { path: self.path.clone(), source };
        let mut lines = Vec::new();
        for step in steps {
            let entry =
                Entry { at: Timestamp::now(), operation: operation.to_owned(), step: (*step).to_owned(), event };
            serde_json::to_writer(&mut lines, &entry).map_err(|source| fail(source.into()))?;
            lines.push(b'\n');
        }
        // One write: lines of several commands never mix.
        self.file.write_all(&lines).map_err(fail)
    }
}

/// The steps that were begun and never done, oldest first. Lines that cannot be read (the last one after a crash) say
/// nothing.
///
/// # Errors
/// When the journal cannot be read; without one there are none.
pub fn interrupted(path: &Utf8Path) -> Result<Vec<Interrupted>, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::Read { path: path.to_owned(), source }),
    };
    let mut open: Vec<Interrupted> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(Entry { at, operation, step, event }) = serde_json::from_slice(line) else { continue };
        open.retain(|known| (&known.operation, &known.step) != (&operation, &step));
        if event == Event::Begun {
            open.push(Interrupted { operation, step, at });
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(path: &Utf8Path) -> Vec<String> {
        let open = interrupted(path).expect("a journal");
        open.into_iter().map(|Interrupted { operation, step, .. }| format!("{operation} {step}")).collect()
    }

    #[test]
    fn what_was_begun_and_not_done_is_known_after_a_crash() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("agents/1/journal.jsonl");
        assert_eq!(steps(&path), Vec::<String>::new());
        let mut journal = Journal::open(&path).expect("a journal");
        journal.begin("launch", &["database", "bucket"]).expect("a line");
        journal.done("launch", "bucket").expect("a line");
        journal.begin("launch", &["processes"]).expect("a line");
        assert_eq!(steps(&path), ["launch database", "launch processes"]);
        // A crash in the middle of a line, at every place of it.
        let whole = std::fs::read(&path).expect("the journal");
        let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("a line") + 1;
        for length in last..whole.len() - 1 {
            std::fs::File::create(&path).and_then(|mut file| file.write_all(&whole[..length])).expect("a cut file");
            assert_eq!(steps(&path), ["launch database"]);
            Journal::open(&path).expect("a journal").done("launch", "database").expect("a line");
            assert_eq!(steps(&path), Vec::<String>::new());
        }
        Journal::open(&path).expect("a journal").clear().expect("an empty journal");
        assert_eq!(std::fs::metadata(&path).expect("the journal").len(), 0);
    }
}

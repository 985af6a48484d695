//! The stamped log of one process and its older parts.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{PARTS, record::Position};

/// A log, open for appending.
#[derive(Debug)]
pub(super) struct Log {
    path: Utf8PathBuf,
    file: File,
    pub(super) inode: u64,
    /// Bytes that count.
    pub(super) len: u64,
    /// Whether a write failed half-way and what it left could not be cut off.
    torn: bool,
}

impl Log {
    /// Opens the log at `path` and cuts off what was written after `recorded`.
    pub(super) fn open(path: Utf8PathBuf, recorded: Option<Position>) -> io::Result<Self> {
        let mut log = Self::append(path)?;
        let keep = match recorded {
            None => 0,
            Some(position) if position.log == log.inode => position.log_len,
            // The part was begun after the record.
            Some(position) if inode(&part(&log.path, 1)) == Some(position.log) => 0,
            // Somebody removed or replaced the log: what is there now is not ours to cut.
            Some(_) => u64::MAX,
        };
        if log.len > keep {
            log.file.set_len(keep)?;
            log.len = keep;
        }
        Ok(log)
    }

    fn append(path: Utf8PathBuf) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(&path)?;
        let metadata = file.metadata()?;
        Ok(Self { path, file, inode: metadata.ino(), len: metadata.len(), torn: false })
    }

    /// Appends `bytes` as a whole or not at all.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all(bytes) {
            self.torn = self.file.set_len(self.len).is_err();
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Begins the next part. The numbers above the first gap stay, so that a rotation that was cut short and is done
    /// again drops nothing.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        let gap = (1..PARTS).find(|&number| !part(&self.path, number).exists()).unwrap_or(PARTS);
        for number in (1..gap).rev() {
            std::fs::rename(part(&self.path, number), part(&self.path, number + 1))?;
        }
        match std::fs::rename(&self.path, part(&self.path, 1)) {
            Ok(()) => {}
            // Somebody removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        *self = Self::append(std::mem::take(&mut self.path))?;
        Ok(())
    }
}

/// The path of an older part; 1 is the newest.
#[must_use]
pub fn part(log: &Utf8Path, number: u32) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{log}.{number}"))
}

fn inode(path: &Utf8Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &Utf8Path) -> Vec<Option<String>> {
        let read = |path: Utf8PathBuf| std::fs::read_to_string(path).ok();
        std::iter::once(read(path.to_owned())).chain((1..=PARTS + 1).map(|number| read(part(path, number)))).collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        let mut parts: Vec<_> = texts.iter().map(|text| Some((*text).to_owned())).collect();
        parts.resize(PARTS as usize + 2, None);
        parts
    }

    #[test]
    fn rotation_keeps_three_older_parts() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("x.log");
        let mut log = Log::open(path.clone(), None).expect("a log");
        for text in ["a", "b", "c", "d", "e"] {
            log.write(text.as_bytes()).expect("a write");
            log.rotate().expect("a rotation");
        }
        log.write(b"f").expect("a write");
        assert_eq!(parts(&path), some(&["f", "e", "d", "c"]));
    }

    #[test]
    fn a_rotation_that_was_cut_short_loses_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("x.log");
        let mut log = Log::open(path.clone(), None).expect("a log");
        for text in ["a", "b", "c"] {
            log.write(text.as_bytes()).expect("a write");
            log.rotate().expect("a rotation");
        }
        log.write(b"d").expect("a write");
        // As if killed after the first two renames: "a" has made room, .1 is free.
        std::fs::rename(part(&path, 2), part(&path, 3)).expect("a rename");
        std::fs::rename(part(&path, 1), part(&path, 2)).expect("a rename");
        let recorded = Position { raw: 0, offset: 0, log: log.inode, log_len: 1 };
        let mut log = Log::open(path.clone(), Some(recorded)).expect("the log again");
        log.rotate().expect("the rotation again");
        assert_eq!(parts(&path), some(&["", "d", "c", "b"]));
    }

    #[test]
    fn what_was_written_after_the_record_is_cut_off() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("x.log");
        let mut log = Log::open(path.clone(), None).expect("a log");
        log.write(b"recorded\nnot\n").expect("a write");
        let recorded = Position { raw: 0, offset: 0, log: log.inode, log_len: 9 };
        let mut log = Log::open(path.clone(), Some(recorded)).expect("the log again");
        assert_eq!(parts(&path), some(&["recorded\n"]));
        log.rotate().expect("a rotation");
        log.write(b"not\n").expect("a write");
        let log = Log::open(path.clone(), Some(recorded)).expect("the log again");
        assert_eq!((parts(&path), log.len), (some(&["", "recorded\n"]), 0));
        fs_err::write(&path, "new").expect("a write");
        let foreign = Position { log: u64::MAX, ..recorded };
        assert_eq!(Log::open(path.clone(), Some(foreign)).expect("a log").len, 3);
    }
}

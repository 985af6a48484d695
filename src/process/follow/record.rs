//! How much of the raw output has been taken over: the one fact that makes following exact.
//!
//! Two slots are written in turn, each with a number and a checksum. A write that was cut short leaves the other slot.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use camino::Utf8Path;

/// The state after a batch: the first `offset` bytes of the raw file `raw` are in the log and its older parts, which
/// end at `log_len` bytes of the file `log`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Inode of the raw file.
    pub raw: u64,
    /// Bytes of it that were taken over.
    pub offset: u64,
    /// Inode of the log that took the last of them.
    pub log: u64,
    /// Its length after that.
    pub log_len: u64,
}

const SLOT: usize = 48;

/// The record file, open for writing.
#[derive(Debug)]
pub(super) struct Record {
    file: File,
    serial: u64,
}

impl Record {
    /// Opens the record at `path` and returns what it says; `None` when nothing was recorded yet.
    pub(super) fn open(path: &Utf8Path) -> io::Result<(Self, Option<Position>)> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let newest = newest(&file)?;
        let serial = newest.map_or(0, |(serial, _)| serial);
        Ok((Self { file, serial }, newest.map(|(_, position)| position)))
    }

    /// Writes `position` over the older slot.
    pub(super) fn write(&mut self, position: Position) -> io::Result<()> {
        let serial = self.serial + 1;
        self.file.write_all_at(&encode(serial, position), (serial % 2) * SLOT as u64)?;
        self.serial = serial;
        Ok(())
    }
}

/// What the record at `path` says, for whoever reads a log beside its follower.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(path: &Utf8Path) -> io::Result<Option<Position>> {
    match File::open(path) {
        Ok(file) => Ok(newest(&file)?.map(|(_, position)| position)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn newest(file: &File) -> io::Result<Option<(u64, Position)>> {
    let slot = |index: u64| -> io::Result<Option<(u64, Position)>> {
        let mut bytes = [0; SLOT];
        match file.read_exact_at(&mut bytes, index * SLOT as u64) {
            Ok(()) => Ok(decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    };
    Ok(slot(0)?.into_iter().chain(slot(1)?).max_by_key(|(serial, _)| *serial))
}

fn encode(serial: u64, position: Position) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    let words = [serial, position.raw, position.offset, position.log, position.log_len];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    let sum = checksum(&bytes[..SLOT - 8]);
    bytes[SLOT - 8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT]) -> Option<(u64, Position)> {
    let mut words = [0; SLOT / 8];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().ok()?);
    }
    let [serial, raw, offset, log, log_len, sum] = words;
    (sum == checksum(&bytes[..SLOT - 8])).then_some((serial, Position { raw, offset, log, log_len }))
}

/// FNV-1a, 64 bits: enough to tell a whole slot from a torn or empty one.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position { raw: 1, offset, log: 2, log_len: offset * 2 }
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("x.pos");
        assert_eq!(read(&path).expect("no file is no record"), None);
        let (mut record, found) = Record::open(&path).expect("a new record");
        assert_eq!(found, None);
        for offset in 1..=5 {
            record.write(at(offset)).expect("a write");
            assert_eq!(read(&path).expect("a record"), Some(at(offset)));
        }
        let (mut record, found) = Record::open(&path).expect("the record again");
        assert_eq!(found, Some(at(5)));
        record.write(at(6)).expect("a write");
        // Serial 6 lies in slot 0: tear it.
        record.file.write_all_at(b"xx", 20).expect("a torn write");
        assert_eq!(read(&path).expect("a record"), Some(at(5)));
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(decode(&[0; SLOT]), None);
    }
}

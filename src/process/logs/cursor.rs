//! A place in one process's output, behind what was read of it.

use std::{fs::File, io, os::unix::fs::FileExt as _, os::unix::fs::MetadataExt as _};

use camino::Utf8PathBuf;

use super::{
    Line, LogError,
    last::{open, raw_lines, split},
};
use crate::{
    config::paths::StackDir,
    process::follow::{LINE_LIMIT, PARTS, Position, part, read_position},
};

/// Bytes read at once.
const BATCH: u64 = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Cursor {
    stack: StackDir,
    process: String,
    /// The log that was read last, held open so that it can be read to its end after a rotation.
    file: Option<File>,
    inode: u64,
    at: u64,
    /// The record as it was found last.
    seen: Position,
    /// Lines that were read from the raw output before they were in the log: the log's next lines.
    skip: u64,
    /// Up to where the raw output was read.
    raw_at: u64,
}

impl Cursor {
    /// The place behind what `position` says was taken over.
    pub(super) fn at(stack: &StackDir, process: &str, position: Position) -> Self {
        Self {
            stack: stack.clone(),
            process: process.to_owned(),
            file: None,
            inode: position.log,
            at: position.log_len,
            seen: position,
            skip: 0,
            raw_at: position.offset,
        }
    }

    pub(super) fn record(&self) -> Utf8PathBuf {
        self.stack.follow_record(&self.process)
    }

    /// Notes that the raw output up to `end` was read; its lines will be skipped when they come into the log.
    pub(super) fn printed(&mut self, raw: &File, end: u64) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let mut length = 0;
        while self.raw_at < end {
            let take = usize::try_from(end - self.raw_at).unwrap_or(usize::MAX).min(buffer.len());
            raw.read_exact_at(&mut buffer[..take], self.raw_at)?;
            for &byte in &buffer[..take] {
                if byte == b'\n' {
                    self.skip += usize::div_ceil(length, LINE_LIMIT).max(1) as u64;
                    length = 0;
                } else {
                    length += 1;
                }
            }
            self.raw_at += take as u64;
        }
        Ok(())
    }

    /// What came into the log since; some of it when it is much.
    pub(super) fn read(&mut self) -> Result<Vec<Line>, LogError> {
        let path = self.record();
        let Some(position) = read_position(&path).map_err(LogError::read(&path))? else { return Ok(Vec::new()) };
        self.seen = position;
        if self.file.is_none() && !self.open()? {
            return Ok(Vec::new());
        }
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let failed = |error| LogError::read(self.stack.log(&self.process))(error);
        let current = position.log == self.inode;
        // What is behind the record may be cut off again; a part that is no longer written to is final.
        let end = if current { position.log_len } else { file.metadata().map_err(failed)?.len() };
        let take = end.saturating_sub(self.at).min(BATCH);
        let mut bytes = vec![0; usize::try_from(take).unwrap_or(0)];
        let read = read_up_to(file, &mut bytes, self.at).map_err(failed)?;
        bytes.truncate(read);
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        bytes.truncate(whole);
        if whole == 0 && !current {
            return if self.next_part()? { self.read() } else { Ok(Vec::new()) };
        }
        self.at += whole as u64;
        let lines = split(&bytes).skip(usize::try_from(self.skip).unwrap_or(usize::MAX));
        let lines: Vec<Line> = lines.map(|line| Line::stamped(&self.process, line)).collect();
        let skipped = split(&bytes).count() - lines.len();
        self.skip -= skipped as u64;
        Ok(lines)
    }

    /// What is in the raw output and was not taken over, when the record is still what [`Self::read`] found.
    pub(super) fn read_raw(&mut self) -> Result<Vec<Line>, LogError> {
        let record = self.record();
        let path = self.stack.raw_output(&self.process);
        let seen = self.seen;
        let Some(file) = open(&path, seen.raw)? else { return Ok(Vec::new()) };
        let length = file.metadata().map_err(LogError::read(&path))?.len();
        if self.raw_at < seen.offset || self.raw_at > length {
            self.raw_at = seen.offset;
        }
        let take = length.saturating_sub(self.raw_at).min(BATCH);
        let mut bytes = vec![0; usize::try_from(take).unwrap_or(0)];
        let read = read_up_to(&file, &mut bytes, self.raw_at).map_err(LogError::read(&path))?;
        let whole = bytes[..read].iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        bytes.truncate(whole);
        if whole == 0 || read_position(&record).map_err(LogError::read(&record))? != Some(seen) {
            return Ok(Vec::new());
        }
        let lines: Vec<Line> = raw_lines(&self.process, &bytes).collect();
        self.skip += lines.len() as u64;
        self.raw_at += whole as u64;
        Ok(lines)
    }

    /// The record that [`Self::read`] found last.
    pub(super) const fn seen(&self) -> Position {
        self.seen
    }

    fn candidates(&self) -> impl Iterator<Item = Utf8PathBuf> + use<> {
        let log = self.stack.log(&self.process);
        (0..=PARTS).map(move |number| if number == 0 { log.clone() } else { part(&log, number) })
    }

    /// Opens the file that the place is in; a place in no file that is left moves to the start of the current log.
    fn open(&mut self) -> Result<bool, LogError> {
        for path in self.candidates() {
            if let Some(file) = open(&path, self.inode)? {
                self.file = Some(file);
                return Ok(true);
            }
        }
        let path = self.stack.log(&self.process);
        let Some(file) = open(&path, self.seen.log)? else { return Ok(false) };
        (self.file, self.inode, self.at) = (Some(file), self.seen.log, 0);
        Ok(true)
    }

    /// Goes on with the part after the one that was read to its end; false when there is none (yet).
    fn next_part(&mut self) -> Result<bool, LogError> {
        let mut newer = None;
        for path in self.candidates() {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(LogError::read(path)(error)),
            };
            let inode = file.metadata().map_err(LogError::read(&path))?.ino();
            if inode == self.inode {
                break;
            }
            newer = Some((file, inode));
        }
        let Some((file, inode)) = newer else { return Ok(false) };
        (self.file, self.inode, self.at) = (Some(file), inode, 0);
        Ok(true)
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

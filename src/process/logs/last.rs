//! The last lines, across the parts of a log and the raw output behind it.

use std::{fs::File, io, os::unix::fs::FileExt as _, os::unix::fs::MetadataExt as _};

use camino::Utf8Path;

use super::{Line, LogError, by_time, cursor::Cursor};
use crate::{
    config::paths::StackDir,
    process::follow::{LINE_LIMIT, PARTS, Position, part, read_position},
};

/// Bytes read at once on the way back from the end.
const BLOCK: u64 = 64 * 1024;

/// How often a log is read anew when its follower moved on meanwhile.
const TRIES: u32 = 20;

/// The processes of `stack` that have output, by name.
///
/// # Errors
/// When the directory of logs cannot be read; one that is not there has none.
pub fn processes(stack: &StackDir) -> Result<Vec<String>, LogError> {
    let directory = stack.logs();
    let entries = match directory.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LogError::read(directory)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(LogError::read(&directory))?;
        names.extend(entry.file_name().strip_suffix(".out").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The last `count` lines of `processes` together, in the order of time. A process without output has none.
///
/// # Errors
/// When a file cannot be read.
pub fn last(stack: &StackDir, processes: &[String], count: usize) -> Result<Vec<Line>, LogError> {
    let mut each = Vec::new();
    for process in processes {
        each.push(snapshot(stack, process, count, true)?.0);
    }
    Ok(newest(each, count))
}

/// The last `count` of all.
pub(super) fn newest(each: Vec<Vec<Line>>, count: usize) -> Vec<Line> {
    let mut all = by_time(each);
    all.drain(..all.len().saturating_sub(count));
    all
}

/// The last `count` lines of one process; with `half` a line that has no end yet too, without it the place behind them.
pub(super) fn snapshot(
    stack: &StackDir,
    process: &str,
    count: usize,
    half: bool,
) -> Result<(Vec<Line>, Cursor), LogError> {
    let record = stack.follow_record(process);
    let position = || read_position(&record).map_err(LogError::read(&record));
    let mut before = position()?;
    for _ in 0..TRIES {
        let result = read(stack, process, before.unwrap_or_default(), count, half);
        let after = position()?;
        if before == after {
            return result;
        }
        // Its follower took more over meanwhile: what was read may lack lines or have them twice.
        before = after;
    }
    let position = Position { raw: 0, ..before.unwrap_or_default() };
    read(stack, process, position, count, half)
}

fn read(
    stack: &StackDir,
    process: &str,
    position: Position,
    count: usize,
    half: bool,
) -> Result<(Vec<Line>, Cursor), LogError> {
    let mut cursor = Cursor::at(stack, process, position);
    let mut raw = Vec::new();
    if let Some(file) = open(&stack.raw_output(process), position.raw)? {
        let path = stack.raw_output(process);
        let end = file.metadata().map_err(LogError::read(&path))?.len();
        let (mut bytes, from) = tail(&file, position.offset, end, count).map_err(LogError::read(&path))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        if !half {
            bytes.truncate(whole);
            cursor.printed(&file, from + whole as u64).map_err(LogError::read(&path))?;
        }
        raw = raw_lines(process, &bytes).collect();
    }
    let mut parts = Vec::new();
    let mut missing = count.saturating_sub(raw.len());
    for number in 0..=PARTS {
        if missing == 0 {
            break;
        }
        let path = if number == 0 { stack.log(process) } else { part(&stack.log(process), number) };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(LogError::read(path)(error)),
        };
        let metadata = file.metadata().map_err(LogError::read(&path))?;
        let end = if metadata.ino() == position.log { position.log_len.min(metadata.len()) } else { metadata.len() };
        let (bytes, _) = tail(&file, 0, end, missing).map_err(LogError::read(&path))?;
        let lines: Vec<Line> = split(&bytes).map(|line| Line::stamped(process, line)).collect();
        missing = missing.saturating_sub(lines.len());
        parts.push(lines);
    }
    let mut lines: Vec<Line> = parts.into_iter().rev().flatten().chain(raw).collect();
    lines.drain(..lines.len().saturating_sub(count));
    Ok((lines, cursor))
}

/// The file at `path` if it is there and is the one with this inode.
pub(super) fn open(path: &Utf8Path, inode: u64) -> Result<Option<File>, LogError> {
    match File::open(path) {
        Ok(file) => {
            let same = file.metadata().map_err(LogError::read(path))?.ino() == inode;
            Ok(Some(file).filter(|_| same))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::read(path)(error)),
    }
}

/// Lines of raw output, those that are too long split as the follower will split them.
pub(super) fn raw_lines(process: &str, bytes: &[u8]) -> impl Iterator<Item = Line> {
    let line = |text: &[u8]| Line { process: process.to_owned(), time: None, text: text.to_owned() };
    split(bytes).flat_map(pieces).map(line)
}

/// The pieces that the follower makes of a line: one, if it is not too long.
pub(super) fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty = line.is_empty().then_some(line);
    empty.into_iter().chain(line.chunks(LINE_LIMIT))
}

/// The lines of `bytes`; what follows the last line feed is one too.
pub(super) fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// The last `count` lines of `file` between two offsets, and where they begin.
fn tail(file: &File, start: u64, end: u64, count: usize) -> io::Result<(Vec<u8>, u64)> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut at = end;
    // The line feed at the very end ends the last line and begins none.
    let mut wanted = count + 1;
    let mut skip = 0;
    while at > start && wanted > 0 {
        let from = at.saturating_sub(BLOCK).max(start);
        let mut block = vec![0; usize::try_from(at - from).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut block, from)?;
        if at == end && block.last() != Some(&b'\n') {
            wanted -= 1;
        }
        for (index, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            wanted = wanted.saturating_sub(1);
            if wanted == 0 {
                skip = index + 1;
                break;
            }
        }
        blocks.push(block);
        at = from;
    }
    let mut bytes: Vec<u8> = blocks.into_iter().rev().flatten().collect();
    bytes.drain(..skip);
    Ok((bytes, at + skip as u64))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_tail_is_the_last_lines(text in "([a-z]{0,9}\n){0,9}[a-z]{0,5}", count in 1_usize..6, start in 0_usize..20) {
            let start = start.min(text.len());
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(text.as_bytes()).expect("a write");
            let (bytes, from) = tail(&file, start as u64, text.len() as u64, count).expect("a tail");
            let lines: Vec<&str> = text[start..].split_inclusive('\n').collect();
            let expected = lines[lines.len().saturating_sub(count)..].concat();
            prop_assert_eq!(String::from_utf8_lossy(&bytes), expected);
            prop_assert_eq!(from, (text.len() - bytes.len()) as u64);
        }
    }

    #[test]
    fn a_tail_may_be_longer_than_a_block() {
        let line = "x".repeat(40_000);
        let text = format!("{line}1\n{line}2\n{line}3\n{line}4\n");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text.as_bytes()).expect("a write");
        let (bytes, _) = tail(&file, 0, text.len() as u64, 3).expect("a tail");
        assert_eq!(split(&bytes).map(|line| line[40_000]).collect::<Vec<_>>(), b"234");
    }
}

//! Takes over the output of one process, batch by batch. Knows no clock and no event loop.

use std::{fs::File, io, os::unix::fs::FileExt as _, os::unix::fs::MetadataExt as _};

use camino::Utf8PathBuf;
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use super::{
    FollowError, PART_SIZE, STAMP,
    log::Log,
    record::{Position, Record},
};
use crate::config::paths::StackDir;

/// Bytes after which a line that does not end is taken over as a line of its own.
pub const LINE_LIMIT: usize = 64 * 1024;

/// Bytes of raw output that are read at once: the longest line with its line feed.
const BATCH: usize = LINE_LIMIT + 1;

/// Consumed bytes after which a hole is punched; more costs disk, less costs time.
const PUNCH: u64 = 256 * 1024;

/// Block size that holes are aligned to; larger blocks only keep up to one block more.
const BLOCK: u64 = 4096;

/// Length of a raw file that is replaced by a new one before the next start of its process, when everything of it was
/// consumed and nobody has it open. A file system's largest file (16 TB on ext4) is far above.
const RENEW: u64 = 1 << 40;

/// Lines that were taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The process that wrote them.
    pub process: String,
    /// Something about following itself that is worth one message to the user.
    pub note: Option<String>,
    raw: Vec<u8>,
}

impl Batch {
    /// The lines as the process wrote them, without their line feeds.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        split_lines(&self.raw)
    }

    /// Whether it has neither lines nor a note.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.note.is_none()
    }
}

/// The follower of one process.
#[derive(Debug)]
pub(super) struct Follower {
    process: String,
    raw_path: Utf8PathBuf,
    log_path: Utf8PathBuf,
    record_path: Utf8PathBuf,
    raw: File,
    log: Log,
    record: Record,
    position: Position,
    punched: u64,
    can_punch: bool,
}

impl Follower {
    /// Opens or creates the files of `process` in `stack` and goes on where the last follower stopped.
    pub(super) fn open(stack: &StackDir, process: &str) -> Result<Self, FollowError> {
        let (raw_path, log_path) = (stack.raw_output(process), stack.log(process));
        let record_path = stack.follow_record(process);
        let raw = open_raw(&raw_path)?;
        let inode = raw.metadata().map_err(FollowError::file("read", &raw_path))?.ino();
        let (record, recorded) = Record::open(&record_path).map_err(FollowError::file("open", &record_path))?;
        let log = Log::open(log_path.clone(), recorded).map_err(FollowError::file("open", &log_path))?;
        let offset = recorded.filter(|position| position.raw == inode).map_or(0, |position| position.offset);
        let position = Position { raw: inode, offset, log: log.inode, log_len: log.len };
        let process = process.to_owned();
        let mut follower =
            Self { process, raw_path, log_path, record_path, raw, log, record, position, punched: 0, can_punch: true };
        follower.write_record()?;
        Ok(follower)
    }

    pub(super) fn raw_path(&self) -> &Utf8PathBuf {
        &self.raw_path
    }

    pub(super) fn process(&self) -> &str {
        &self.process
    }

    /// A handle of the raw file for a process to write to.
    pub(super) fn writer(&self) -> Result<File, FollowError> {
        File::options().append(true).open(&self.raw_path).map_err(FollowError::file("open", &self.raw_path))
    }

    /// Takes over what is there, at most one batch of it. With `ended` nobody will complete a half line, so it counts
    /// as a line. The batch is empty when there was nothing to take over.
    pub(super) fn take(&mut self, now: jiff::Timestamp, ended: bool) -> Result<Batch, FollowError> {
        let mut raw = vec![0; BATCH];
        let read = self.read(&mut raw)?;
        raw.truncate(read);
        raw.truncate(whole_lines(&raw, ended));
        let mut batch = Batch { process: self.process.clone(), note: None, raw };
        if batch.raw.is_empty() {
            return Ok(batch);
        }
        let stamped = stamp(&batch.raw, now);
        if self.log.len > 0 && self.log.len + stamped.len() as u64 > PART_SIZE {
            self.log.rotate().map_err(FollowError::file("rotate", &self.log_path))?;
            self.write_record()?;
        }
        self.log.write(&stamped).map_err(FollowError::file("write", &self.log_path))?;
        self.position.offset += batch.raw.len() as u64;
        self.write_record()?;
        if ended || self.position.offset - self.punched >= PUNCH {
            batch.note = self.punch()?;
        }
        Ok(batch)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FollowError> {
        let failed = |error| FollowError::file("read", &self.raw_path)(error);
        let mut filled = 0;
        while filled < buffer.len() {
            match self.raw.read_at(&mut buffer[filled..], self.position.offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if filled == 0 && self.raw.metadata().map_err(failed)?.len() < self.position.offset {
            // Somebody emptied it; whoever writes goes on at its new end.
            self.position.offset = 0;
            self.punched = 0;
            self.write_record()?;
            return self.read(buffer);
        }
        Ok(filled)
    }

    fn write_record(&mut self) -> Result<(), FollowError> {
        self.position.log = self.log.inode;
        self.position.log_len = self.log.len;
        self.record.write(self.position).map_err(FollowError::file("write", &self.record_path))
    }

    /// Gives the consumed part of the raw file back to the disk. Says once where the file system cannot.
    fn punch(&mut self) -> Result<Option<String>, FollowError> {
        let end = self.position.offset / BLOCK * BLOCK;
        if !self.can_punch || end <= self.punched {
            return Ok(None);
        }
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.raw, mode, self.punched, end - self.punched) {
            Ok(()) => {
                self.punched = end;
                Ok(None)
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.can_punch = false;
                Ok(Some(format!(
                    "{}: the file system cannot give back a part of a file, so it grows until the stack is gone",
                    self.raw_path
                )))
            }
            Err(errno) => Err(FollowError::file("give back a part of", &self.raw_path)(errno.into())),
        }
    }

    /// Replaces the raw file by an empty one if it is very long, was consumed and is open nowhere else.
    pub(super) fn renew(&mut self) -> Result<(), FollowError> {
        self.renew_above(RENEW)
    }

    fn renew_above(&mut self, limit: u64) -> Result<(), FollowError> {
        let failed = |error| FollowError::file("replace", &self.raw_path)(error);
        let length = self.raw.metadata().map_err(failed)?.len();
        if length <= limit || length != self.position.offset || open_elsewhere(self.position.raw).map_err(failed)? {
            return Ok(());
        }
        let fresh = Utf8PathBuf::from(format!("{}.new", self.raw_path));
        let file = open_raw(&fresh)?;
        // From here on a follower that starts finds another inode than the recorded one, and begins at 0.
        std::fs::rename(&fresh, &self.raw_path).map_err(failed)?;
        self.position.raw = file.metadata().map_err(failed)?.ino();
        self.position.offset = 0;
        self.punched = 0;
        self.raw = file;
        self.write_record()
    }
}

fn open_raw(path: &Utf8PathBuf) -> Result<File, FollowError> {
    File::options().create(true).read(true).append(true).open(path).map_err(FollowError::file("open", path))
}

/// Whether another process has the file with this inode open.
fn open_elsewhere(inode: u64) -> io::Result<bool> {
    let own = std::process::id();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        let same = |file: io::Result<std::fs::DirEntry>| {
            file.and_then(|file| std::fs::metadata(file.path())).is_ok_and(|metadata| metadata.ino() == inode)
        };
        if pid != own && files.into_iter().any(same) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many bytes of `raw` are whole lines: up to the last line feed, or when there is none up to the limit of a line, if
/// the line is too long or nobody will complete it.
fn whole_lines(raw: &[u8], ended: bool) -> usize {
    match raw.iter().rposition(|&byte| byte == b'\n') {
        Some(last) => last + 1,
        None if ended || raw.len() > LINE_LIMIT => raw.len().min(LINE_LIMIT),
        None => 0,
    }
}

/// The lines of `raw` without their line feeds; what follows the last line feed is a line too.
fn split_lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

fn stamp(raw: &[u8], now: jiff::Timestamp) -> Vec<u8> {
    let stamp = format!("{now:.3} ");
    debug_assert_eq!(stamp.len(), STAMP);
    let lines = split_lines(raw).count();
    let mut stamped = Vec::with_capacity(raw.len() + lines * (STAMP + 1));
    for line in split_lines(raw) {
        stamped.extend_from_slice(stamp.as_bytes());
        stamped.extend_from_slice(line);
        stamped.push(b'\n');
    }
    stamped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"a\nb\nhalf", false, 4)]
    #[case(b"half", false, 0)]
    #[case(b"half", true, 4)]
    #[case(b"a\nhalf", true, 2)]
    #[case(b"", true, 0)]
    #[case(b"\n", false, 1)]
    fn half_lines_wait(#[case] raw: &[u8], #[case] ended: bool, #[case] expected: usize) {
        assert_eq!(whole_lines(raw, ended), expected);
    }

    #[test]
    fn a_line_that_is_too_long_is_split() {
        assert_eq!(whole_lines(&vec![b'x'; LINE_LIMIT], false), 0);
        assert_eq!(whole_lines(&vec![b'x'; LINE_LIMIT + 1], false), LINE_LIMIT);
        assert_eq!(whole_lines(&[&vec![b'x'; LINE_LIMIT][..], b"\n"].concat(), false), LINE_LIMIT + 1);
    }

    #[test]
    fn every_line_gets_a_stamp_and_keeps_its_bytes() {
        let now = "2026-11-22T17:24:30.1239Z".parse().expect("a time");
        assert_eq!(
            stamp(b"a\n\n\xff\r\nhalf", now),
            b"2026-11-22T17:24:30.123Z a\n2026-11-22T17:24:30.123Z \n2026-11-22T17:24:30.123Z \xff\r\n2026-11-22T17:24:30.123Z half\n"
        );
        let whole = "2026-11-22T17:24:30Z".parse().expect("a time");
        assert_eq!(stamp(b"\n", whole), b"2026-11-22T17:24:30.000Z \n");
    }

    fn stack() -> (tempfile::TempDir, StackDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("UTF-8");
        let stack = StackDir::new(path);
        std::fs::create_dir(stack.logs()).expect("a directory of logs");
        (directory, stack)
    }

    fn take_all(follower: &mut Follower, ended: bool) -> Vec<u8> {
        let mut raw = Vec::new();
        loop {
            let batch = follower.take(jiff::Timestamp::UNIX_EPOCH, ended).expect("a batch");
            if batch.raw.is_empty() {
                return raw;
            }
            raw.extend(batch.raw);
        }
    }

    fn logged(stack: &StackDir) -> String {
        let text = std::fs::read_to_string(stack.log("x")).expect("a log");
        text.split_inclusive('\n').map(|line| &line[STAMP..]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever is written in whatever pieces, with a follower that is replaced at any point and whose log may
        /// have got further than its record: the log has every line once.
        #[test]
        fn the_log_is_the_output(
            pieces in prop::collection::vec(("[a-z\n]{0,40}", any::<bool>(), any::<bool>(), "[a-z\n]{0,10}"), 1..20),
        ) {
            use std::io::Write as _;
            let (_directory, stack) = stack();
            let mut follower = Follower::open(&stack, "x").expect("a follower");
            let mut writer = follower.writer().expect("a writer");
            let mut all = String::new();
            for (text, taken, replaced, unrecorded) in pieces {
                writer.write_all(text.as_bytes()).expect("a write");
                all.push_str(&text);
                if taken {
                    take_all(&mut follower, false);
                }
                if replaced {
                    drop(follower);
                    let mut log = File::options().append(true).open(stack.log("x")).expect("the log");
                    log.write_all(unrecorded.as_bytes()).expect("a write that was not recorded");
                    follower = Follower::open(&stack, "x").expect("the next follower");
                }
            }
            take_all(&mut follower, true);
            if !all.is_empty() && !all.ends_with('\n') {
                all.push('\n');
            }
            prop_assert_eq!(logged(&stack), all);
        }
    }

    #[test]
    fn consumed_output_takes_no_room() {
        use std::io::Write as _;
        let (_directory, stack) = stack();
        let mut follower = Follower::open(&stack, "x").expect("a follower");
        let mut writer = follower.writer().expect("a writer");
        for _ in 0..40_000 {
            writer.write_all(b"a line of the usual length that an application writes\n").expect("a write");
        }
        take_all(&mut follower, true);
        let metadata = std::fs::metadata(stack.raw_output("x")).expect("the raw file");
        assert!(metadata.len() > 2_000_000);
        assert!(metadata.blocks() * 512 <= 2 * BLOCK, "{} blocks are left", metadata.blocks());
    }

    #[test]
    fn what_the_log_did_not_take_is_taken_over_later() {
        use std::io::Write as _;
        let (_directory, stack) = stack();
        std::os::unix::fs::symlink("/dev/full", stack.log("x")).expect("a full disk");
        let mut follower = Follower::open(&stack, "x").expect("a follower");
        follower.writer().expect("a writer").write_all(b"one\ntwo\n").expect("a write");
        let error = follower.take(jiff::Timestamp::UNIX_EPOCH, false).expect_err("a full disk");
        assert!(std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("No space")));
        std::fs::remove_file(stack.log("x")).expect("a removal");
        let mut follower = Follower::open(&stack, "x").expect("the next follower");
        assert_eq!(take_all(&mut follower, false), b"one\ntwo\n");
        assert_eq!(logged(&stack), "one\ntwo\n");
    }

    #[test]
    fn an_emptied_raw_file_is_followed_from_its_start() {
        use std::io::Write as _;
        let (_directory, stack) = stack();
        let mut follower = Follower::open(&stack, "x").expect("a follower");
        let mut writer = follower.writer().expect("a writer");
        writer.write_all(b"before\n").expect("a write");
        assert_eq!(take_all(&mut follower, false), b"before\n");
        writer.set_len(0).expect("emptied");
        assert_eq!(take_all(&mut follower, false), b"");
        writer.write_all(b"after\n").expect("a write");
        assert_eq!(take_all(&mut follower, false), b"after\n");
    }

    #[test]
    fn a_long_raw_file_is_replaced_only_when_all_of_it_was_consumed() {
        use std::io::Write as _;
        let (_directory, stack) = stack();
        let mut follower = Follower::open(&stack, "x").expect("a follower");
        follower.writer().expect("a writer").write_all(b"one\n").expect("a write");
        follower.renew_above(3).expect("no renewal");
        assert_eq!(take_all(&mut follower, false), b"one\n");
        follower.renew_above(3).expect("a renewal");
        assert_eq!(std::fs::metadata(stack.raw_output("x")).expect("the raw file").len(), 0);
        follower.writer().expect("a writer").write_all(b"two\n").expect("a write");
        drop(follower);
        let mut follower = Follower::open(&stack, "x").expect("a follower");
        assert_eq!(take_all(&mut follower, false), b"two\n");
        assert_eq!(logged(&stack), "one\ntwo\n");
    }
}

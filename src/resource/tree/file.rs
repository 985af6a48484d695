//! Brings one file or symlink, from one open folder into another.

use std::{
    ffi::{CStr, OsStr},
    fs::File,
    io::{self, Read as _, Write as _},
    os::{fd::BorrowedFd, unix::ffi::OsStrExt as _},
    sync::atomic::{AtomicBool, Ordering},
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, fchmod, fstat, futimens, ioctl_ficlone, linkat,
        openat, readlinkat, statat, symlinkat, utimensat,
    },
    io::Errno,
};

use super::rules::How;
use crate::model::worktree::{Trees, moved};

/// Files above this are no scripts and no lists: nothing in them is rewritten.
const REWRITTEN: u64 = 16 * 1024 * 1024;

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The blocks are shared until one side writes.
    Reflinked,
    /// Both names are one file.
    Linked,
    /// The content was copied.
    Copied,
    /// A symlink was made.
    Symlink,
    /// It went away meanwhile.
    Vanished,
    /// It is neither file nor symlink.
    Nothing,
}

/// What all files of one bringing have in common.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) from: Utf8PathBuf,
    pub(super) to: Utf8PathBuf,
    /// Whether this disk shares blocks, as far as is known.
    reflinks: AtomicBool,
    links: AtomicBool,
}

/// One file in its folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) folder: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
}

impl Means {
    pub(super) const fn new(from: Utf8PathBuf, to: Utf8PathBuf) -> Self {
        Self { from, to, reflinks: AtomicBool::new(true), links: AtomicBool::new(true) }
    }

    /// Brings `source`, of this `kind`, to `target`, which is not there. `path` is where the source lies.
    pub(super) fn bring(
        &self,
        source: Entry<'_>,
        target: Entry<'_>,
        kind: FileType,
        how: How,
        path: &std::path::Path,
    ) -> io::Result<Done> {
        let result = match kind {
            FileType::Symlink => self.symlink(source, target, path),
            FileType::RegularFile => self.file(source, target, how),
            _ => return Ok(Done::Nothing),
        };
        match result {
            // A process of an agent removed or replaced it in this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Done::Vanished),
            result => result,
        }
    }

    fn symlink(&self, source: Entry<'_>, target: Entry<'_>, path: &std::path::Path) -> io::Result<Done> {
        let says = readlinkat(source.folder, source.name, Vec::new())?;
        let says = match (Utf8Path::from_path(path), says.to_str()) {
            (Some(path), Ok(text)) => self.moved(path, Utf8Path::new(text)).into_string().into_bytes(),
            // No UTF-8: neither of our trees' paths can be in it as a whole.
            _ => says.into_bytes(),
        };
        symlinkat(OsStr::from_bytes(&says), target.folder, target.name)?;
        let stat = statat(source.folder, source.name, AtFlags::SYMLINK_NOFOLLOW)?;
        utimensat(target.folder, target.name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Done::Symlink)
    }

    fn moved(&self, path: &Utf8Path, says: &Utf8Path) -> Utf8PathBuf {
        let trees = Trees { from: &self.from, to: &self.to };
        let new = moved(trees, path, says);
        if new != says || says.is_relative() {
            return new;
        }
        // It may reach the old tree by another name of it.
        match says.canonicalize_utf8().ok().as_deref().and_then(|real| real.strip_prefix(&self.from).ok()) {
            Some(below) if !below.as_str().is_empty() => self.to.join(below),
            Some(_) => self.to.clone(),
            None => new,
        }
    }

    fn file(&self, source: Entry<'_>, target: Entry<'_>, how: How) -> io::Result<Done> {
        let may_link = how == How::Clone && self.links.load(Ordering::Relaxed);
        if may_link && !self.reflinks.load(Ordering::Relaxed) {
            return match self.link(source, target)? {
                Some(done) => Ok(done),
                None => self.copy(source, target, how),
            };
        }
        self.copy(source, target, how)
    }

    /// `None` when this disk, or the kernel's rules for other people's files, allow no hard link.
    fn link(&self, source: Entry<'_>, target: Entry<'_>) -> io::Result<Option<Done>> {
        match linkat(source.folder, source.name, target.folder, target.name, AtFlags::empty()) {
            Ok(()) => Ok(Some(Done::Linked)),
            Err(Errno::XDEV | Errno::OPNOTSUPP) => {
                self.links.store(false, Ordering::Relaxed);
                Ok(None)
            }
            Err(Errno::PERM | Errno::MLINK | Errno::ACCESS) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn copy(&self, source: Entry<'_>, target: Entry<'_>, how: How) -> io::Result<Done> {
        let reading = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut old = File::from(openat(source.folder, source.name, reading, Mode::empty())?);
        let writing = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut new = File::from(openat(target.folder, target.name, writing, Mode::RUSR | Mode::WUSR)?);
        let stat = fstat(&old)?;
        let done = self.content(&mut old, &mut new, &stat, how)?;
        if done.is_none() {
            // The disk shares no blocks: this file, and all after it, can be linked.
            rustix::fs::unlinkat(target.folder, target.name, AtFlags::empty())?;
            return match self.link(source, target)? {
                Some(done) => Ok(done),
                None => self.copy(source, target, How::Copy),
            };
        }
        fchmod(&new, Mode::from_raw_mode(stat.st_mode))?;
        futimens(&new, &times(&stat))?;
        Ok(done.unwrap_or(Done::Nothing))
    }

    /// `None` when blocks cannot be shared and a link will do.
    fn content(&self, old: &mut File, new: &mut File, stat: &Stat, how: How) -> io::Result<Option<Done>> {
        if how == How::Rewrite && u64::try_from(stat.st_size).unwrap_or(u64::MAX) <= REWRITTEN {
            let mut text = Vec::new();
            old.read_to_end(&mut text)?;
            new.write_all(&rewritten(&text, &self.from, &self.to))?;
            return Ok(Some(Done::Copied));
        }
        if self.reflinks.load(Ordering::Relaxed) {
            match ioctl_ficlone(&*new, &*old) {
                Ok(()) => return Ok(Some(Done::Reflinked)),
                Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::XDEV | Errno::NOSYS) => {
                    self.reflinks.store(false, Ordering::Relaxed);
                }
                // Some files only (immutable, in use as swap …).
                Err(_) => {}
            }
            if how == How::Clone && self.links.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        io::copy(old, new)?;
        Ok(Some(Done::Copied))
    }
}

pub(super) fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or_default(),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// `text` with the path `from` replaced by `to` wherever it stands as a path, as it is or as in a URL.
fn rewritten(text: &[u8], from: &Utf8Path, to: &Utf8Path) -> Vec<u8> {
    let plain = replaced(text, from.as_str(), to.as_str());
    let in_url = |path: &Utf8Path| {
        let mut url = url::Url::parse("file:///").ok()?;
        url.set_path(path.as_str());
        Some(url.path().to_owned())
    };
    match (in_url(from), in_url(to)) {
        (Some(old), Some(new)) if old != from.as_str() => replaced(&plain, &old, &new),
        _ => plain,
    }
}

fn replaced(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let in_name = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_.%".contains(byte) || *byte >= 0x80)
    };
    let (mut new, mut done) = (Vec::with_capacity(text.len()), 0);
    for at in memchr::memmem::find_iter(text, from.as_bytes()) {
        let end = at + from.len();
        // Part of a longer name, or of a longer path.
        if in_name(text.get(end)) || (at > 0 && in_name(text.get(at - 1))) {
            continue;
        }
        new.extend_from_slice(&text[done..at]);
        new.extend_from_slice(to.as_bytes());
        done = end;
    }
    new.extend_from_slice(&text[done..]);
    new
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("NODE_PATH=\"/p/a b/x:/p/a b\"", "NODE_PATH=\"/w/3/x:/w/3\"")]
    #[case("{\"/p/a b\": 1}", "{\"/w/3\": 1}")]
    #[case("/p/a b2 /x/p/a b/y /p/a b.old", "/p/a b2 /x/p/a b/y /p/a b.old")]
    #[case("file:///p/a%20b/x", "file:///w/3/x")]
    #[case("nothing", "nothing")]
    fn a_path_is_replaced_as_a_whole(#[case] text: &str, #[case] expected: &str) {
        let new = rewritten(text.as_bytes(), "/p/a b".into(), "/w/3".into());
        assert_eq!(String::from_utf8(new).expect("UTF-8"), expected);
    }
}

//! What the watched files were when they were last looked at. A file costs 32 bytes: paths are kept as hashes.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{File, Metadata},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use camino::{Utf8Path, Utf8PathBuf};
use ignore::DirEntry;
use sha2::{Digest as _, Sha256};

use super::{
    WatchError,
    rules::{Rules, is_noise},
};
use crate::process::inotify::{Event, Inotify, ReadFlags, WatchFlags};

/// Files above this many bytes are known by size and time of change only: reading them would hold up the supervisor.
const HASHED: u64 = 8 * 1024 * 1024;

/// A file changed so short a time ago may change again without its ctime moving (kernel clock ticks of up to 10 ms).
const RACY: Duration = Duration::from_millis(20);

/// The watched files and folders.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: HashMap<u64, Entry>,
    folders: HashMap<i32, Folder>,
    /// The number of the walk.
    walk: u32,
}

#[derive(Debug)]
struct Entry {
    stat: Stat,
    /// `None` while the content at the start has not been read.
    content: Option<Content>,
    walk: u32,
}

#[derive(Debug)]
struct Folder {
    /// Whether everything in it matters; else only `names` do.
    whole: bool,
    names: Vec<OsString>,
    walk: u32,
}

/// A file whose stat is what it was has the content that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat(u64);

/// A file's content, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content(u64);

/// A watched file by the hash of its path, with what the baseline found.
pub(super) type Learned = (u64, Stat, Content);

impl Stat {
    /// Matches nothing, itself included.
    const RACY: Self = Self(0);

    fn of(metadata: &Metadata) -> Self {
        let changed =
            UNIX_EPOCH + Duration::new(metadata.ctime().unsigned_abs(), metadata.ctime_nsec().try_into().unwrap_or(0));
        // A time in the future is as doubtful as one just now.
        if SystemTime::now().duration_since(changed).is_ok_and(|age| age > RACY) {
            let mut hasher = DefaultHasher::new();
            (metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec()).hash(&mut hasher);
            Self(hasher.finish().max(1))
        } else {
            Self::RACY
        }
    }

    fn is(self, other: Self) -> bool {
        self == other && self != Self::RACY
    }
}

impl Tree {
    pub(super) fn watches(&self) -> usize {
        self.folders.len()
    }

    /// Begins a walk: what it does not meet is gone.
    pub(super) fn begin(&mut self) {
        self.walk = self.walk.wrapping_add(1);
    }

    /// Watches what holds the roots, so that a root that is a file, is not there yet, or is replaced is noticed.
    pub(super) fn anchor(&mut self, rules: &Rules, inotify: &Inotify) -> Result<(), WatchError> {
        for root in rules.roots() {
            let mut path: &Utf8Path = root;
            while let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                if let Some(watch) = watch(inotify, parent.as_std_path())? {
                    let walk = self.walk;
                    let folder = self.folders.entry(watch).or_insert(Folder { whole: false, names: Vec::new(), walk });
                    folder.walk = walk;
                    if !folder.names.iter().any(|known| known == name) {
                        folder.names.push(name.into());
                    }
                    break;
                }
                path = parent;
            }
        }
        Ok(())
    }

    /// Takes `entry` in as it is.
    pub(super) fn first(&mut self, entry: &DirEntry, inotify: &Inotify) -> Result<(), WatchError> {
        if let Some(metadata) = self.file(entry, inotify)? {
            let stat = Stat::of(&metadata);
            // A stat that tells nothing cannot tell the baseline whether the file is still what it is now.
            let content = match stat {
                Stat::RACY => Content::read(entry.path(), &metadata).ok(),
                _ => None,
            };
            let known = Entry { stat, content, walk: self.walk };
            self.files.insert(path_hash(entry.path()), known);
        }
        Ok(())
    }

    /// Takes in what the baseline read, where nothing has changed since the start.
    pub(super) fn learn(&mut self, contents: &[Learned]) {
        for (path, stat, content) in contents {
            let known = self.files.get_mut(path).filter(|known| known.content.is_none() && known.stat.is(*stat));
            if let Some(known) = known {
                known.content = Some(*content);
            }
        }
    }

    /// Whether the content of `entry` is not what it was; takes it in.
    pub(super) fn compare(&mut self, entry: &DirEntry, inotify: &Inotify) -> Result<bool, WatchError> {
        let Some(metadata) = self.file(entry, inotify)? else { return Ok(false) };
        let stat = Stat::of(&metadata);
        let walk = self.walk;
        let key = path_hash(entry.path());
        if let Some(known) = self.files.get_mut(&key).filter(|known| known.stat.is(stat) || known.walk == walk) {
            known.walk = walk;
            return Ok(false);
        }
        // A file that is gone by now is met by no walk, and counted at the end.
        let Ok(content) = Content::read(entry.path(), &metadata) else { return Ok(false) };
        let known = self.files.insert(key, Entry { stat, content: Some(content), walk });
        Ok(known.is_none_or(|known| known.content != Some(content)))
    }

    /// Ends a walk: forgets what it did not meet and returns how many files that were.
    pub(super) fn end(&mut self, inotify: &Inotify) -> Result<usize, WatchError> {
        let (walk, before) = (self.walk, self.files.len());
        self.files.retain(|_, entry| entry.walk == walk);
        let gone: Vec<i32> =
            self.folders.iter().filter(|(_, folder)| folder.walk != walk).map(|(watch, _)| *watch).collect();
        for watch in gone {
            self.folders.remove(&watch);
            inotify.unwatch(watch).map_err(WatchError::kernel(Utf8Path::new("a folder that is gone")))?;
        }
        Ok(before - self.files.len())
    }

    /// Whether an event may have to do with a watched file.
    pub(super) fn concerns(&self, event: &Event) -> bool {
        if event.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return true;
        }
        let Some(folder) = self.folders.get(&event.watch).filter(|_| !event.flags.contains(ReadFlags::IGNORED)) else {
            return false;
        };
        match &event.name {
            None => true,
            Some(name) if folder.whole => !is_noise(Path::new(name), event.flags.contains(ReadFlags::ISDIR)),
            Some(name) => folder.names.contains(name),
        }
    }

    /// Watches `entry` if it is a folder; else returns its metadata if it is a file or a symlink.
    fn file(&mut self, entry: &DirEntry, inotify: &Inotify) -> Result<Option<Metadata>, WatchError> {
        let Ok(metadata) = std::fs::symlink_metadata(entry.path()) else { return Ok(None) };
        if metadata.is_dir() {
            if let Some(watch) = watch(inotify, entry.path())? {
                let folder =
                    self.folders.entry(watch).or_insert(Folder { whole: true, names: Vec::new(), walk: self.walk });
                folder.whole = true;
                folder.walk = self.walk;
            }
            return Ok(None);
        }
        Ok(Some(metadata).filter(|metadata| metadata.is_file() || metadata.is_symlink()))
    }
}

/// Watches the folder at `path`; `None` when it is gone, or no folder.
fn watch(inotify: &Inotify, path: &Path) -> Result<Option<i32>, WatchError> {
    let flags = WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::MODIFY
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
        | WatchFlags::DONT_FOLLOW
        | WatchFlags::EXCL_UNLINK;
    match inotify.watch(path, flags) {
        Ok(watch) => Ok(Some(watch)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(WatchError::Kernel { path: Utf8PathBuf::from(path.to_string_lossy().into_owned()), source }),
    }
}

/// What the baseline knows of `entry`; `None` for folders and what cannot be read.
pub(super) fn learn(entry: &DirEntry) -> Option<Learned> {
    let metadata = std::fs::symlink_metadata(entry.path()).ok()?;
    if !metadata.is_file() && !metadata.is_symlink() {
        return None;
    }
    let content = Content::read(entry.path(), &metadata).ok()?;
    Some((path_hash(entry.path()), Stat::of(&metadata), content))
}

impl Content {
    fn read(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        let mut sha = Sha256::new();
        if metadata.is_symlink() {
            sha.update(b"symlink\0");
            sha.update(std::fs::read_link(path)?.as_os_str().as_bytes());
        } else if metadata.len() > HASHED {
            sha.update(b"large\0");
            sha.update(metadata.len().to_le_bytes());
            sha.update(metadata.mtime().to_le_bytes());
            sha.update(metadata.mtime_nsec().to_le_bytes());
        } else {
            let mut file = File::open(path)?;
            let mut buffer = [0; 16 * 1024];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => sha.update(&buffer[..read]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let digest = sha.finalize();
        Ok(Self(digest.iter().take(8).fold(0, |hash, &byte| hash << 8 | u64::from(byte))))
    }
}

fn path_hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.as_os_str().as_bytes().hash(&mut hasher);
    hasher.finish()
}

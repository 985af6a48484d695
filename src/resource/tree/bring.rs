//! Brings items from one tree to another: into a staging folder first, then each to its place in one rename. So an item
//! that is in its place is whole, whatever cut the bringing off.

use std::{
    collections::BTreeSet,
    ffi::{CString, OsStr},
    os::{fd::AsFd as _, unix::ffi::OsStrExt as _},
    path::PathBuf,
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, FileType, Mode, fchmod, fstat, futimens, mkdirat, openat, syncfs};

use super::{
    Item, Rules, TreeError,
    crew::crew,
    file::{Done, Entry, Means, times},
    folder::{FOLDER, entries},
    rules::How,
    staged::{STAGING, Staged},
    stop::{Stop, on_thread},
};

/// What was brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Files whose blocks are shared until one side writes.
    pub reflinked: u64,
    /// Files that have two names.
    pub linked: u64,
    /// Files that were copied.
    pub copied: u64,
    /// Symlinks.
    pub symlinks: u64,
    /// The items that came as a whole: nothing of them was there before, and nothing went away meanwhile.
    pub whole: Vec<Utf8PathBuf>,
    /// Numbers of items of which something went away meanwhile.
    torn: BTreeSet<usize>,
}

impl Brought {
    fn count(&mut self, done: Done, item: usize) {
        match done {
            Done::Reflinked => self.reflinked += 1,
            Done::Linked => self.linked += 1,
            Done::Copied => self.copied += 1,
            Done::Symlink => self.symlinks += 1,
            Done::Vanished => drop(self.torn.insert(item)),
            Done::Nothing => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.reflinked += other.reflinked;
        self.linked += other.linked;
        self.copied += other.copied;
        self.symlinks += other.symlinks;
        self.torn.extend(&other.torn);
    }
}

/// Brings `items` of the tree `from` to the tree `to`. What is there already is left as it is. What goes away meanwhile
/// is not brought, and neither are sockets, FIFOs and devices. Modes and times are kept. `state` names the state that
/// `from` is in: of what a call before this one staged and did not get to place, only that of the same state is called
/// whole. Once the caller has noted what came of it, it calls [`super::finish`].
///
/// # Errors
/// When a file cannot be read or written. What is in its place is whole.
pub async fn bring(
    from: &Utf8Path,
    to: &Utf8Path,
    items: &[Item],
    rules: &Rules,
    state: &str,
) -> Result<Brought, TreeError> {
    let staging = to.join(STAGING);
    let mut brought = Brought::default();
    if let Some(staged) = Staged::read(&staging) {
        brought.whole = staged.place(&staging, to)?;
        if staged.state != state {
            brought.whole.clear();
        }
    }
    super::remove(&staging).await.map_err(TreeError::file("remove", &staging))?;
    let whole = std::mem::take(&mut brought.whole);
    let (means, items, rules) = (Means::new(from.to_owned(), to.to_owned()), items.to_vec(), rules.clone());
    let state = state.to_owned();
    let mut brought = on_thread(move |stop| fill(&means, &items, &rules, &state, whole, stop)).await?;
    brought.whole.sort();
    Ok(brought)
}

fn fill(
    means: &Means,
    items: &[Item],
    rules: &Rules,
    state: &str,
    whole: Vec<Utf8PathBuf>,
    stop: &Stop,
) -> Result<Brought, TreeError> {
    let wanted = items;
    let items = missing(means, items, rules, &whole);
    let staging = means.to.join(STAGING);
    fs_err::create_dir(&staging).map_err(TreeError::file("make", &staging))?;
    let into = openat(CWD, staging.as_std_path(), FOLDER, Mode::empty())
        .map_err(|errno| TreeError::file("open", &staging)(errno.into()))?;
    let mut brought = Brought::default();
    let mut folders = Vec::new();
    for (number, Item { path, how, .. }) in items.iter().enumerate() {
        let source = means.from.join(path);
        let Ok(metadata) = source.symlink_metadata() else { continue };
        let fail = |source_error: std::io::Error| TreeError::file("bring", &source)(source_error);
        if metadata.is_dir() {
            let target = staging.join(number.to_string());
            mkdirat(&into, number.to_string(), Mode::RWXU).map_err(|errno| fail(errno.into()))?;
            folders.push(Folder { item: number, source: source.into(), target: target.into(), how: *how });
        } else {
            let (Some(parent), Some(name)) = (source.parent(), source.file_name()) else { continue };
            let folder =
                openat(CWD, parent.as_std_path(), FOLDER, Mode::empty()).map_err(|errno| fail(errno.into()))?;
            let (name, new) = (c_string(name)?, c_string(&number.to_string())?);
            let kind = FileType::from_raw_mode(std::os::unix::fs::MetadataExt::mode(&metadata));
            let from = Entry { folder: folder.as_fd(), name: &name };
            let to = Entry { folder: into.as_fd(), name: &new };
            brought.count(means.bring(from, to, kind, *how, source.as_std_path()).map_err(fail)?, number);
        }
    }
    let bring =
        |folder: Folder, found: &mut Vec<Folder>, brought: &mut Brought| folder.bring(means, rules, found, brought);
    crew(folders, stop, bring)?.iter().for_each(|done| brought.add(done));
    if stop.is_told() {
        return Ok(brought);
    }
    // A power cut must not leave an empty file in its place.
    syncfs(&into).map_err(|errno| TreeError::file("write", &staging)(errno.into()))?;
    let is_whole =
        |number: usize, path: &Utf8Path| !brought.torn.contains(&number) && wanted.iter().any(|item| item.path == path);
    let paths = items.iter().map(|item| item.path.clone());
    let staged = paths.enumerate().map(|(number, path)| (is_whole(number, &path), path)).collect();
    let staged = Staged { state: state.to_owned(), items: staged, earlier: whole };
    staged.write(&staging)?;
    brought.whole = staged.place(&staging, &means.to)?;
    Ok(brought)
}

/// The items that are not in their place; of a folder that is there, what is missing in it.
fn missing(means: &Means, items: &[Item], rules: &Rules, whole: &[Utf8PathBuf]) -> Vec<Item> {
    let mut open: Vec<Item> = items.iter().filter(|item| !whole.contains(&item.path)).cloned().collect();
    let mut missing = Vec::new();
    while let Some(Item { path, how, is_dir }) = open.pop() {
        let (source, place) = (means.from.join(&path), means.to.join(&path));
        let Ok(there) = place.symlink_metadata() else {
            missing.push(Item { path, how, is_dir });
            continue;
        };
        if there.is_dir() && source.symlink_metadata().is_ok_and(|source| source.is_dir()) {
            let Ok(entries) = source.read_dir_utf8() else { continue };
            open.extend(entries.filter_map(Result::ok).filter_map(|entry| {
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let how = rules.inside(entry.path().as_std_path(), is_dir, how)?;
                Some(Item { path: path.join(entry.file_name()), how, is_dir })
            }));
        }
    }
    missing
}

fn c_string(text: &str) -> Result<CString, TreeError> {
    CString::new(text).map_err(|error| TreeError::Thread(error.into()))
}

/// A folder whose content is to be brought; the new one is there, empty.
struct Folder {
    /// Number of the item that it belongs to.
    item: usize,
    source: PathBuf,
    target: PathBuf,
    how: How,
}

impl Folder {
    /// Brings what lies in it; folders in it are made, and added to `found`.
    fn bring(
        &self,
        means: &Means,
        rules: &Rules,
        found: &mut Vec<Self>,
        brought: &mut Brought,
    ) -> Result<(), TreeError> {
        let fail = |path: &std::path::Path| {
            let path = Utf8PathBuf::from(path.to_string_lossy().into_owned());
            move |errno: rustix::io::Errno| TreeError::File { act: "bring", path, source: errno.into() }
        };
        let source = match openat(CWD, &self.source, FOLDER, Mode::empty()) {
            // Removed meanwhile.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
                brought.count(Done::Vanished, self.item);
                return Ok(());
            }
            source => source.map_err(fail(&self.source))?,
        };
        let target = openat(CWD, &self.target, FOLDER, Mode::empty()).map_err(fail(&self.target))?;
        for (name, kind) in entries(&source).map_err(fail(&self.source))? {
            let (name, text) = (name.as_c_str(), OsStr::from_bytes(name.to_bytes()));
            let path = self.source.join(text);
            let Some(how) = rules.inside(&path, kind == FileType::Directory, self.how) else { continue };
            if kind == FileType::Directory {
                mkdirat(&target, name, Mode::RWXU).map_err(fail(&path))?;
                found.push(Self { item: self.item, source: path, target: self.target.join(text), how });
                continue;
            }
            let from = Entry { folder: source.as_fd(), name };
            let to = Entry { folder: target.as_fd(), name };
            let done = means.bring(from, to, kind, how, &path).map_err(|source| TreeError::File {
                act: "bring",
                path: path.to_string_lossy().into_owned().into(),
                source,
            })?;
            brought.count(done, self.item);
        }
        // Nothing is added to it any more: its folders were made above.
        let stat = fstat(&source).map_err(fail(&self.source))?;
        fchmod(&target, Mode::from_raw_mode(stat.st_mode)).map_err(fail(&self.target))?;
        futimens(&target, &times(&stat)).map_err(fail(&self.target))
    }
}

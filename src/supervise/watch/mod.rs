//! Restart on change: tells when the content of a process's source files changed.
//!
//! inotify only says that something happened somewhere; what happened is found by looking. When it has been quiet for
//! the debounce time, the watched tree is walked (what git ignores and what lies behind symlinks left out) and the
//! content of every file whose inode, size or ctime moved is compared with what it was. So a touch, a rewrite of the
//! same bytes, a checkout there and back, and an edit that was taken back restart nothing, and whatever belongs
//! together restarts once.
//!
//! It does not notice an edit of an ignore file outside the watched folders until the next change inside.

mod baseline;
mod rules;
mod tree;

use std::{io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::time::Instant;

use self::{baseline::Baseline, rules::Rules, tree::Tree};
use crate::{
    error::Diagnose,
    exit_code::ExitCode,
    model::stack::Watch,
    process::inotify::{Event, Inotify},
};

/// How many paths a [`Changed`] names.
pub const SHOWN: usize = 20;

/// A tree that is never quiet is looked at after this many debounce times, but not before [`PATIENCE_MIN`].
const PATIENCE: u32 = 10;
/// See [`PATIENCE`].
const PATIENCE_MIN: Duration = Duration::from_secs(2);

/// Watches what one process is made of.
#[derive(Debug)]
pub struct Watcher {
    rules: Rules,
    debounce: Duration,
    inotify: Inotify,
    events: Vec<Event>,
    tree: Tree,
    baseline: Option<Baseline>,
    /// When the first and the last event came that have not been looked into.
    pending: Option<(Instant, Instant)>,
    walk: Option<rules::Walk>,
    found: Changed,
}

/// Files whose content is not what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The first [`SHOWN`] of the files that were added or changed. Removed ones are only counted.
    pub paths: Vec<Utf8PathBuf>,
    /// How many there are, removed ones included.
    pub count: usize,
}

/// Files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A pattern is no glob.
    #[error("{glob:?} is no glob")]
    Glob {
        /// The pattern.
        glob: String,
        /// Why.
        source: ignore::Error,
    },
    /// The kernel gives no notice of changes.
    #[error("cannot watch {path}")]
    Kernel {
        /// The file or folder.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Diagnose for WatchError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Glob { .. } => ExitCode::Usage,
            Self::Kernel { .. } => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Glob { .. } => None,
            Self::Kernel { .. } => {
                Some("raise fs.inotify.max_user_watches and max_user_instances with sysctl".to_owned())
            }
        }
    }
}

impl WatchError {
    fn kernel(path: &Utf8Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Kernel { path, source }
    }
}

impl Changed {
    fn add(&mut self, path: Option<&std::path::Path>) {
        self.count += 1;
        if let Some(path) = path.filter(|_| self.paths.len() < SHOWN) {
            self.paths.push(Utf8PathBuf::from(path.to_string_lossy().into_owned()));
        }
    }
}

impl Watcher {
    /// Begins to watch; the state of the files now is what later states are compared to. `cwd` is what the globs are
    /// relative to. Must be made inside the event loop. Contents are read afterwards, on a thread of low priority that
    /// then ends.
    ///
    /// # Errors
    /// When a glob is none, or the kernel gives no watches.
    pub fn start(watch: &Watch, cwd: &Utf8Path) -> Result<Self, WatchError> {
        let rules = Rules::new(watch, cwd)?;
        let inotify = Inotify::new().map_err(WatchError::kernel(cwd))?;
        let mut tree = Tree::default();
        tree.begin();
        tree.anchor(&rules, &inotify)?;
        for entry in rules.walk() {
            tree.first(&entry, &inotify)?;
        }
        let baseline = Some(Baseline::start(rules.clone()).map_err(WatchError::kernel(cwd))?);
        Ok(Self {
            rules,
            debounce: watch.debounce,
            inotify,
            events: Vec::new(),
            tree,
            baseline,
            pending: None,
            walk: None,
            found: Changed::default(),
        })
    }

    /// How many folders are watched.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.tree.watches()
    }

    /// Whether the contents at the start have all been read. Until then a touch of a file may count as a change.
    #[must_use]
    pub const fn settled(&self) -> bool {
        self.baseline.is_none()
    }

    /// Waits until contents changed and then nothing more happened for the debounce time. Cancelling it loses
    /// nothing. It gives way to the event loop between files.
    ///
    /// # Errors
    /// When the kernel gives no notices.
    pub async fn changed(&mut self) -> Result<Changed, WatchError> {
        loop {
            if self.walk.is_some() {
                self.walk_on()?;
                tokio::task::yield_now().await;
            } else if self.due().is_some_and(|due| due <= Instant::now()) {
                self.pending = None;
                self.tree.begin();
                self.tree.anchor(&self.rules, &self.inotify)?;
                self.walk = Some(self.rules.walk());
            } else if self.pending.is_none() && self.found.count > 0 {
                return Ok(std::mem::take(&mut self.found));
            } else {
                self.wait().await?;
            }
        }
    }

    /// When to look, if nothing more happens.
    fn due(&self) -> Option<Instant> {
        let (first, last) = self.pending?;
        let patience = (self.debounce * PATIENCE).max(PATIENCE_MIN);
        Some((last + self.debounce).min(first + patience))
    }

    async fn wait(&mut self) -> Result<(), WatchError> {
        let due = self.due();
        tokio::select! {
            result = self.inotify.read(&mut self.events) => {
                result.map_err(WatchError::kernel(Utf8Path::new(".")))?;
                self.note_events();
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            contents = Baseline::next(&mut self.baseline) => match contents {
                Some(contents) => self.tree.learn(&contents),
                None => self.baseline = None,
            },
        }
        Ok(())
    }

    /// Looks at files for about a millisecond.
    fn walk_on(&mut self) -> Result<(), WatchError> {
        const SLICE: Duration = Duration::from_millis(1);
        let start = Instant::now();
        while let Some(walk) = &mut self.walk {
            let Some(entry) = walk.next() else {
                self.walk = None;
                for _ in 0..self.tree.end(&self.inotify)? {
                    self.found.add(None);
                }
                // What happened meanwhile belongs to the same change.
                self.inotify.read_now(&mut self.events).map_err(WatchError::kernel(Utf8Path::new(".")))?;
                self.note_events();
                break;
            };
            if self.tree.compare(&entry, &self.inotify)? {
                self.found.add(Some(entry.path()));
            }
            if start.elapsed() >= SLICE {
                break;
            }
        }
        Ok(())
    }

    fn note_events(&mut self) {
        let relevant = self.events.drain(..).filter(|event| self.tree.concerns(event)).count() > 0;
        if relevant {
            let now = Instant::now();
            self.pending = Some((self.pending.map_or(now, |(first, _)| first), now));
        }
    }
}

//! Keeps mails: a directory a box with an `SQLite` index, which also holds the sources of all but large mails.
//!
//! One commit makes a mail durable. A large source is a file: it is written and synced before the index names it and
//! removed after the index forgot it, so an indexed mail always has its source, and a file that no index names was never
//! acknowledged and is removed when the box is opened.

mod change;
mod insert;
mod item;
pub mod layout;
mod mailbox;
mod read;
mod search;
mod source;
mod stats;
mod tags;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::Utf8PathBuf;
use tokio::sync::Semaphore;

pub(super) use self::{
    change::Selection,
    item::Item,
    read::{Found, Listing, Page},
    search::Filter,
    source::{Content, Spool, new_id},
    tags::clean as clean_tag,
};
use self::{mailbox::Mailbox, stats::Counters};
use super::{
    MailError, UNCLAIMED, UserName,
    events::Events,
    limits,
    users::{Login, Users},
};

/// Which boxes a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// One box.
    One(String),
    /// All there are.
    All,
}

impl View {
    pub(super) fn sees(&self, mailbox: &str) -> bool {
        match self {
            Self::One(name) => name == mailbox,
            Self::All => true,
        }
    }
}

/// A box that is open.
#[derive(Debug)]
struct Open {
    name: String,
    /// Device and inode of the index. While it is open its inode is nobody else's.
    identity: (u64, u64),
    mailbox: Mutex<Mailbox>,
}

impl Open {
    /// The box, alone. A panic while it was locked left at most an open transaction, which rolled back: it is usable.
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All boxes.
#[derive(Debug)]
pub(super) struct Store {
    root: Utf8PathBuf,
    pub(super) users: Users,
    pub(super) events: Events,
    open: Mutex<Vec<Arc<Open>>>,
    counters: Counters,
    jobs: Arc<Semaphore>,
}

impl Store {
    /// The store at `root`; makes what is missing and forgets what was not finished.
    pub(super) fn open(root: Utf8PathBuf) -> Result<Self, MailError> {
        for directory in [root.clone(), layout::users(&root), layout::boxes(&root), layout::spool(&root)] {
            layout::make_directory(&directory)?;
        }
        source::clear_spool(&root)?;
        let users = Users::new(layout::users(&root));
        let jobs = Arc::new(Semaphore::new(limits::JOBS));
        let (events, counters) = (Events::new(), Counters::default());
        Ok(Self { root, users, events, open: Mutex::default(), counters, jobs })
    }

    /// Runs `job` where it may block. Not more than [`limits::JOBS`] run at once.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Self) -> Result<T, MailError> + Send + 'static,
    ) -> Result<T, MailError> {
        let permit = self.jobs.clone().acquire_owned().await.map_err(|_| MailError::Job)?;
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = job(&store);
            drop(permit);
            result
        });
        // A job that panicked, over a mail that nobody foresaw, is that request's failure only.
        done.await.map_err(|_| MailError::Job)?
    }

    /// Closes boxes that were removed or replaced on disk.
    pub(super) fn forget_removed(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| {
            let there = self.is_current(one);
            if !there {
                self.counters.forget(&one.name);
            }
            there
        });
    }

    /// The boxes of `view` that there are.
    fn boxes(&self, view: &View) -> Result<Vec<Arc<Open>>, MailError> {
        let names = match view {
            View::One(name) => vec![name.clone()],
            View::All => self.names()?,
        };
        let mut boxes = Vec::with_capacity(names.len());
        for name in names {
            boxes.extend(self.existing(&name)?);
        }
        Ok(boxes)
    }

    /// Names of all boxes, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, MailError> {
        let directory = layout::boxes(&self.root);
        let fail = |source| MailError::File { act: "list", path: directory.clone(), source };
        let mut names = Vec::new();
        for entry in directory.read_dir_utf8().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if layout::is_box_name(entry.file_name()) {
                names.push(entry.file_name().to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The box of `login`, made if there is none yet; without a login the box of unclaimed mails.
    fn for_delivery(&self, login: Option<&Login>) -> Result<Arc<Open>, MailError> {
        let name = login.map_or(UNCLAIMED, |login| login.user.as_str()).to_owned();
        // Under this lock nobody removes a box, so a box cannot be made again after its user is gone.
        let lock = layout::lock(&self.root)?;
        if login.is_some_and(|login| !self.users.holds(login)) {
            return Err(MailError::Gone(name));
        }
        layout::make_directory(&layout::mailbox(&self.root, &name))?;
        drop(lock);
        self.existing(&name)?.ok_or(MailError::Gone(name))
    }

    /// The box `name`, if its directory is there.
    fn existing(&self, name: &str) -> Result<Option<Arc<Open>>, MailError> {
        let directory = layout::mailbox(&self.root, name);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|one| one.name == name) {
            if self.is_current(&open[at]) {
                return Ok(Some(open[at].clone()));
            }
            open.remove(at);
            self.counters.forget(name);
        }
        if !directory.is_dir() {
            return Ok(None);
        }
        let mailbox = Mailbox::open(directory.clone())?;
        let identity = mailbox::identity(&layout::index(&directory))?;
        let opened = Arc::new(Open { name: name.to_owned(), identity, mailbox: Mutex::new(mailbox) });
        open.push(opened.clone());
        Ok(Some(opened))
    }

    /// Whether the box on disk is still the open one.
    fn is_current(&self, open: &Open) -> bool {
        let index = layout::index(&layout::mailbox(&self.root, &open.name));
        mailbox::identity(&index).is_ok_and(|identity| identity == open.identity)
    }
}

/// Mails in the box of `user` below `root`, asked beside a service that may or may not run.
///
/// # Errors
/// When the index cannot be read.
pub fn count(root: &camino::Utf8Path, user: &UserName) -> Result<usize, MailError> {
    let directory = layout::mailbox(root, user.as_str());
    if layout::index(&directory).exists() { Mailbox::count(&directory) } else { Ok(0) }
}

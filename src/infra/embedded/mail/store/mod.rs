//! Keeps mails: a directory a box, the source a file, an `SQLite` index beside it.
//!
//! Order of writing: source, its directory, index; of removing: index, source. So an indexed mail always has its source,
//! and a source without an index entry was never acknowledged and is removed when the box is opened.

mod change;
mod item;
pub mod layout;
mod mailbox;
mod read;
mod search;
mod source;
mod tags;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use camino::Utf8PathBuf;
use tokio::sync::Semaphore;

use self::mailbox::Mailbox;
pub(super) use self::{
    change::Selection,
    item::Item,
    read::{Found, Listing, Page},
    search::Filter,
    source::{Content, Spool, new_id},
    tags::clean as clean_tag,
};
use super::{
    MailError, UNCLAIMED,
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

/// An open box with its name.
type Named = (String, Arc<Mutex<Mailbox>>);

/// All boxes.
#[derive(Debug)]
pub(super) struct Store {
    root: Utf8PathBuf,
    pub(super) users: Users,
    pub(super) events: Events,
    open: Mutex<HashMap<String, Arc<Mutex<Mailbox>>>>,
    jobs: Arc<Semaphore>,
}

impl Store {
    /// The store at `root`; makes what is missing and forgets what was not finished.
    pub(super) fn open(root: Utf8PathBuf) -> Result<Self, MailError> {
        for directory in [layout::users(&root), layout::boxes(&root), layout::spool(&root)] {
            layout::make_directory(&directory)?;
        }
        source::clear_spool(&root)?;
        let users = Users::new(layout::users(&root));
        let jobs = Arc::new(Semaphore::new(limits::JOBS));
        Ok(Self { root, users, events: Events::new(), open: Mutex::default(), jobs })
    }

    /// Runs `job` where it may block. Not more than [`limits::JOBS`] run at once.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Self) -> Result<T, MailError> + Send + 'static,
    ) -> Result<T, MailError> {
        let permit = self.jobs.clone().acquire_owned().await.map_err(|_| MailError::Gone("the store".to_owned()))?;
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = job(&store);
            drop(permit);
            result
        });
        match done.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(MailError::Gone("the store".to_owned())),
            },
        }
    }

    /// The boxes of `view` that there are, with their names.
    fn boxes(&self, view: &View) -> Result<Vec<Named>, MailError> {
        let names = match view {
            View::One(name) => vec![name.clone()],
            View::All => self.names()?,
        };
        let mut boxes = Vec::with_capacity(names.len());
        for name in names {
            if let Some(mailbox) = self.existing(&name)? {
                boxes.push((name, mailbox));
            }
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
    fn for_delivery(&self, login: Option<&Login>) -> Result<Named, MailError> {
        let name = login.map_or(UNCLAIMED, |login| login.user.as_str()).to_owned();
        // Under this lock nobody removes a box, so a box cannot be made again after its user is gone.
        let lock = layout::lock(&self.root)?;
        if login.is_some_and(|login| !self.users.holds(login)) {
            return Err(MailError::Gone(name));
        }
        layout::make_directory(&layout::mailbox(&self.root, &name))?;
        drop(lock);
        match self.existing(&name)? {
            Some(mailbox) => Ok((name, mailbox)),
            None => Err(MailError::Gone(name)),
        }
    }

    /// The box `name`, if its directory is there. An open index whose file was removed or replaced is closed.
    fn existing(&self, name: &str) -> Result<Option<Arc<Mutex<Mailbox>>>, MailError> {
        let directory = layout::mailbox(&self.root, name);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mailbox) = open.get(name) {
            if lock(mailbox).is_current() {
                return Ok(Some(mailbox.clone()));
            }
            open.remove(name);
        }
        if !directory.is_dir() {
            return Ok(None);
        }
        let mailbox = Arc::new(Mutex::new(Mailbox::open(directory)?));
        open.insert(name.to_owned(), mailbox.clone());
        Ok(Some(mailbox))
    }
}

/// A panic while a box was locked left at most an open transaction, which rolled back: the box is usable.
fn lock(mailbox: &Mutex<Mailbox>) -> std::sync::MutexGuard<'_, Mailbox> {
    mailbox.lock().unwrap_or_else(PoisonError::into_inner)
}

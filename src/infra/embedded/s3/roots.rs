//! The open roots: one a key, opened at the first request and closed when idle.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    content::{Content, Run},
    error::StorageError,
    index::Index,
    keys::Keys,
};

/// An idle root is closed after this time, to give its memory back.
const IDLE: Duration = Duration::from_mins(2);

/// One key's storage.
#[derive(Debug)]
pub(crate) struct Root {
    index: Mutex<Index>,
    pub(crate) content: Content,
    /// What the index says of the bucket, at hand without a query.
    deleted: AtomicBool,
    /// Device and inode of the index: another one at the same path means that the root was removed.
    identity: (u64, u64),
}

impl Root {
    /// The index, for the length of one piece of work.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        // A panic inside a piece of work rolled its transaction back: the index is as good as before.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the bucket was deleted with the agent's own key.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Relaxed)
    }

    /// Creates the bucket again, if it was deleted.
    pub(crate) fn create_bucket(&self) -> Result<(), StorageError> {
        let mut index = self.index();
        if index.is_deleted()? {
            index.create_bucket()?;
        }
        self.deleted.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Deletes the bucket, which must be empty.
    pub(crate) fn delete_bucket(&self) -> Result<(), StorageError> {
        self.index().delete_bucket()?;
        self.deleted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Runs `work` in a worker thread: disk work must not hold up the event loop.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let root = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&root)).await?
    }
}

struct Open {
    root: Arc<Root>,
    used: Instant,
}

/// All roots of the service.
pub(crate) struct Roots {
    directory: Utf8PathBuf,
    keys: Keys,
    run: Run,
    open: Mutex<HashMap<String, Open>>,
}

impl Roots {
    /// The roots below `service`, the service's directory.
    pub(crate) fn new(service: &Utf8Path) -> Self {
        let directory = service.join("roots");
        Self { directory, keys: Keys::new(service), run: Run::new(), open: Mutex::default() }
    }

    pub(crate) fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The root of `access_key`, which must be a key that exists.
    pub(crate) async fn root(self: &Arc<Self>, access_key: &str) -> Result<Arc<Root>, StorageError> {
        // An open root costs one stat; the event loop waits for nobody who is opening one.
        if let Ok(mut table) = self.open.try_lock()
            && let Some(root) = self.opened(&mut table, access_key)
        {
            return Ok(root);
        }
        let (roots, access_key) = (Arc::clone(self), access_key.to_owned());
        tokio::task::spawn_blocking(move || roots.root_blocking(&access_key)).await?
    }

    /// [`Self::root`] for a worker thread.
    pub(crate) fn root_blocking(&self, access_key: &str) -> Result<Arc<Root>, StorageError> {
        let mut table = self.table();
        if let Some(root) = self.opened(&mut table, access_key) {
            return Ok(root);
        }
        let root = Arc::new(self.open_root(access_key, &self.directory.join(access_key))?);
        table.insert(access_key.to_owned(), Open { root: Arc::clone(&root), used: Instant::now() });
        Ok(root)
    }

    /// The root if it is open and still the one that lies at its path. If it was removed under us, what still works on
    /// it writes to files without a name.
    fn opened(&self, table: &mut HashMap<String, Open>, access_key: &str) -> Option<Arc<Root>> {
        let open = table.get_mut(access_key)?;
        if identity(&self.directory.join(access_key)).ok() == Some(open.root.identity) {
            open.used = Instant::now();
            return Some(Arc::clone(&open.root));
        }
        table.remove(access_key);
        None
    }

    fn open_root(&self, access_key: &str, path: &Utf8Path) -> Result<Root, StorageError> {
        let content = path.join("content");
        fs_err::create_dir_all(&content).map_err(StorageError::io("create", &content))?;
        // A key removed in between must leave no root behind: whoever removes keys looks for roots afterwards.
        if self.keys.find(access_key).is_none() {
            fs_err::remove_dir_all(path).map_err(StorageError::io("remove", path))?;
            return Err(StorageError::NoSuchBucket);
        }
        let index = Index::open(&index_path(path))?;
        let identity = identity(path).map_err(StorageError::io("read", path))?;
        let deleted = AtomicBool::new(index.is_deleted()?);
        Ok(Root { index: Mutex::new(index), content: Content::new(content, self.run), deleted, identity })
    }

    /// Closes the roots that nobody has used for a while, and those that were removed.
    pub(crate) fn close_idle(&self) {
        let now = Instant::now();
        self.table().retain(|access_key, open| {
            let there = identity(&self.directory.join(access_key)).ok() == Some(open.root.identity);
            let busy = Arc::strong_count(&open.root) > 1;
            there && (busy || now.duration_since(open.used) < IDLE)
        });
    }

    /// Closes all roots, so that their WALs are folded into their indexes.
    pub(crate) fn close(&self) {
        self.table().clear();
    }
}

fn index_path(root: &Utf8Path) -> Utf8PathBuf {
    root.join("index.db")
}

fn identity(root: &Utf8Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(index_path(root))?;
    Ok((metadata.dev(), metadata.ino()))
}

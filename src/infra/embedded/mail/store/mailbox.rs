//! One box: its index, and the files that belong to it.

use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, config::DbConfig};

use super::{Filter, layout, source};
use crate::infra::embedded::mail::MailError;

/// Version of the schema.
const VERSION: i64 = 1;

/// The long column of `mails` stands last: `SQLite` then reads the others without it. A mail without a row in `sources`
/// has its source in a file.
const SCHEMA: &str = "
CREATE TABLE mails (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    read INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL,
    attachments INTEGER NOT NULL,
    inlines INTEGER NOT NULL,
    tags TEXT NOT NULL,
    item TEXT NOT NULL,
    s_from TEXT NOT NULL, s_to TEXT NOT NULL, s_cc TEXT NOT NULL, s_bcc TEXT NOT NULL, s_reply_to TEXT NOT NULL,
    s_subject TEXT NOT NULL, s_message_id TEXT NOT NULL,
    s_all TEXT NOT NULL
);
CREATE TABLE sources (
    seq INTEGER PRIMARY KEY REFERENCES mails (seq) ON DELETE CASCADE,
    raw BLOB NOT NULL
);
PRAGMA user_version = 1;
";

/// `synchronous = FULL`: a commit is on disk when it returns, also in WAL mode. The small cache keeps an idle box cheap;
/// with `auto_vacuum` a deleted mail gives its disk back.
const SETTINGS: &str = "
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -256;
PRAGMA journal_size_limit = 1048576;
PRAGMA temp_store = MEMORY;
";

/// An open box.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) directory: Utf8PathBuf,
    pub(super) index: Connection,
}

impl Mailbox {
    /// Opens the box at `directory`, which exists, and removes files that were never acknowledged.
    pub(super) fn open(directory: Utf8PathBuf) -> Result<Self, MailError> {
        let index = open_index(&layout::index(&directory), OpenFlags::default())?;
        let mailbox = Self { directory, index };
        let mails = layout::mails(&mailbox.directory);
        if !mails.is_dir() {
            std::fs::create_dir(&mails).map_err(|source| MailError::File { act: "make", path: mails, source })?;
        }
        layout::sync_directory(&mailbox.directory)?;
        mailbox.sweep()?;
        Ok(mailbox)
    }

    /// Mails in the box at `directory`, which has an index.
    pub(super) fn count(directory: &Utf8Path) -> Result<usize, MailError> {
        let path = layout::index(directory);
        let fail = |source| MailError::Index { path: path.clone(), source };
        let index = open_index(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let count: i64 = index.query_row("SELECT count(*) FROM mails", [], |row| row.get(0)).map_err(fail)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    pub(super) fn source_path(&self, id: &str) -> Utf8PathBuf {
        layout::mails(&self.directory).join(format!("{id}.eml"))
    }

    pub(super) fn fail(&self, source: rusqlite::Error) -> MailError {
        MailError::Index { path: layout::index(&self.directory), source }
    }

    /// The source of a mail that is indexed.
    pub(super) fn source(&self, id: &str) -> Result<Vec<u8>, MailError> {
        let stored = self
            .index
            .prepare_cached("SELECT raw FROM sources JOIN mails USING (seq) WHERE id = ?")
            .and_then(|mut select| select.query_row([id], |row| row.get(0)).optional())
            .map_err(|error| self.fail(error))?;
        if let Some(raw) = stored {
            return Ok(raw);
        }
        let path = self.source_path(id);
        fs_err::read(&path).map_err(|source| MailError::File { act: "read", path, source })
    }

    /// Removes the mails `ids` from the index, then their files.
    pub(super) fn remove(&mut self, ids: &[String]) -> Result<(), MailError> {
        let path = layout::index(&self.directory);
        let fail = |source| MailError::Index { path: path.clone(), source };
        let change = self.index.transaction().map_err(fail)?;
        for id in ids {
            change
                .prepare_cached("DELETE FROM mails WHERE id = ?")
                .and_then(|mut delete| delete.execute([id]))
                .map_err(fail)?;
        }
        change.commit().map_err(fail)?;
        self.remove_files(ids)?;
        self.give_back().map_err(fail)
    }

    /// Ids of all mails that match, newest first.
    pub(super) fn matching(&self, filter: &Filter) -> Result<Vec<String>, MailError> {
        let sql = format!("SELECT id FROM mails WHERE {} ORDER BY seq DESC", filter.sql());
        let mut select = self.index.prepare(&sql).map_err(|error| self.fail(error))?;
        let rows = select.query_map(filter.params(), |row| row.get(0)).map_err(|error| self.fail(error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.fail(error))
    }

    /// Removes the files of mails, of those that have one.
    pub(super) fn remove_files(&self, ids: &[String]) -> Result<(), MailError> {
        for id in ids {
            let path = self.source_path(id);
            match fs_err::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(MailError::File { act: "remove", path, source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the pages that are free back to the disk.
    fn give_back(&self) -> rusqlite::Result<()> {
        let mut vacuum = self.index.prepare_cached("PRAGMA incremental_vacuum")?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    fn sweep(&self) -> Result<(), MailError> {
        let mails = layout::mails(&self.directory);
        let fail = |source| MailError::File { act: "list", path: mails.clone(), source };
        let mut known = self.index.prepare("SELECT 1 FROM mails WHERE id = ?").map_err(|error| self.fail(error))?;
        for entry in mails.read_dir_utf8().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let id = entry.file_name().strip_suffix(".eml").filter(|id| source::is_id(id));
            if let Some(id) = id
                && !known.exists([id]).map_err(|error| self.fail(error))?
            {
                self.remove_files(&[id.to_owned()])?;
            }
        }
        Ok(())
    }
}

fn open_index(path: &Utf8Path, flags: OpenFlags) -> Result<Connection, MailError> {
    let fail = |source| MailError::Index { path: path.to_owned(), source };
    let index = Connection::open_with_flags(path, flags).map_err(fail)?;
    // A connection to a removed box would otherwise, when closed, remove the log of the box that took its place.
    index.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fail)?;
    index.execute_batch(SETTINGS).map_err(fail)?;
    let found: i64 = index.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    match found {
        VERSION => {}
        0 => index.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;")).map_err(fail)?,
        found => return Err(MailError::IndexVersion { path: path.to_owned(), found, known: VERSION }),
    }
    Ok(index)
}

/// Device and inode of a file.
pub(super) fn identity(path: &Utf8Path) -> Result<(u64, u64), MailError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| MailError::File { act: "look at", path: path.to_owned(), source })?;
    Ok((metadata.dev(), metadata.ino()))
}

//! One box: its index, and the files that belong to it.

use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, params};

use super::{Filter, Item, layout, source};
use crate::infra::embedded::mail::{MailError, limits, mime::Mail};

/// Version of the schema.
const VERSION: i64 = 1;

/// The long column stands last: `SQLite` then reads the others without it.
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
PRAGMA user_version = 1;
";

/// An open box.
#[derive(Debug)]
pub(super) struct Mailbox {
    directory: Utf8PathBuf,
    pub(super) index: Connection,
    /// Device and inode of the index. While it is open its inode is nobody else's.
    identity: (u64, u64),
}

impl Mailbox {
    /// Opens the box at `directory`, which exists, and removes sources that were never acknowledged.
    pub(super) fn open(directory: Utf8PathBuf) -> Result<Self, MailError> {
        let path = layout::index(&directory);
        let index = open_index(&path)?;
        let identity = identity(&path)?;
        let mailbox = Self { directory, index, identity };
        let mails = layout::mails(&mailbox.directory);
        if !mails.is_dir() {
            std::fs::create_dir(&mails).map_err(|source| MailError::File { act: "make", path: mails, source })?;
        }
        layout::sync_directory(&mailbox.directory)?;
        mailbox.sweep()?;
        Ok(mailbox)
    }

    /// Whether the box on disk is still this one.
    pub(super) fn is_current(&self) -> bool {
        identity(&layout::index(&self.directory)).is_ok_and(|identity| identity == self.identity)
    }

    pub(super) fn source_path(&self, id: &str) -> Utf8PathBuf {
        layout::mails(&self.directory).join(format!("{id}.eml"))
    }

    pub(super) fn fail(&self, source: rusqlite::Error) -> MailError {
        MailError::Index { path: layout::index(&self.directory), source }
    }

    /// Adds a mail whose source is settled; gives the ids that had to go for it. Durable when it returns.
    pub(super) fn insert(&mut self, item: &Item, created: i64, mail: &Mail<'_>) -> Result<Vec<String>, MailError> {
        let path = layout::index(&self.directory);
        let fail = |source| MailError::Index { path: path.clone(), source };
        let addresses = |list: &[super::super::mime::Address]| {
            list.iter().map(|one| one.text().to_lowercase()).collect::<Vec<_>>().join("\n")
        };
        let parts = mail.parts();
        let names: Vec<_> = parts.iter().map(|part| part.file_name.to_lowercase()).collect();
        let mut text = mail.visible_text();
        if text.len() > limits::SEARCH_TEXT {
            let end = (0..=limits::SEARCH_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
        }
        let body = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let from = addresses(std::slice::from_ref(&item.from));
        let (to, cc, bcc, reply_to) =
            (addresses(&item.to), addresses(&item.cc), addresses(&item.bcc), addresses(&item.reply_to));
        let subject = item.subject.to_lowercase();
        let all = [from.as_str(), &subject, &to, &cc, &bcc, &reply_to, &names.join("\n"), &body].join("\n");
        let stored = serde_json::to_string(item).unwrap_or_default();
        let tags = serde_json::to_string(&item.tags).unwrap_or_default();
        let size = i64::try_from(item.size).unwrap_or(i64::MAX);
        let change = self.index.transaction().map_err(fail)?;
        change
            .prepare_cached(
                "INSERT INTO mails (id, created, size, attachments, inlines, tags, item, s_from, s_to, s_cc, s_bcc, \
                 s_reply_to, s_subject, s_message_id, s_all) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    item.id,
                    created,
                    size,
                    i64::try_from(item.attachments).unwrap_or(i64::MAX),
                    i64::try_from(parts.len() - item.attachments).unwrap_or(i64::MAX),
                    tags,
                    stored,
                    from,
                    to,
                    cc,
                    bcc,
                    reply_to,
                    subject,
                    item.message_id.to_lowercase(),
                    all
                ])
            })
            .map_err(fail)?;
        let removed = prune(&change).map_err(fail)?;
        change.commit().map_err(fail)?;
        self.remove_sources(&removed)?;
        Ok(removed)
    }

    /// Removes the mails `ids` from the index, then their sources.
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
        self.remove_sources(ids)
    }

    /// Ids of all mails that match, newest first.
    pub(super) fn matching(&self, filter: &Filter) -> Result<Vec<String>, MailError> {
        let sql = format!("SELECT id FROM mails WHERE {} ORDER BY seq DESC", filter.sql());
        let mut select = self.index.prepare(&sql).map_err(|error| self.fail(error))?;
        let rows = select.query_map(filter.params(), |row| row.get(0)).map_err(|error| self.fail(error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.fail(error))
    }

    fn remove_sources(&self, ids: &[String]) -> Result<(), MailError> {
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
                self.remove_sources(&[id.to_owned()])?;
            }
        }
        Ok(())
    }
}

/// Removes the oldest mails from the index until the box is within its limits; the newest always stays.
fn prune(change: &rusqlite::Transaction<'_>) -> rusqlite::Result<Vec<String>> {
    let (mut count, mut bytes): (usize, u64) =
        change.query_row("SELECT count(*), coalesce(sum(size), 0) FROM mails", [], |row| {
            Ok((usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0), row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
    let mut removed = Vec::new();
    while count > 1 && (count > limits::MAILS_PER_BOX || bytes > limits::BYTES_PER_BOX) {
        let (seq, id, size): (i64, String, i64) =
            change.query_row("SELECT seq, id, size FROM mails ORDER BY seq LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        change.execute("DELETE FROM mails WHERE seq = ?", [seq])?;
        count -= 1;
        bytes -= size.unsigned_abs().min(bytes);
        removed.push(id);
    }
    Ok(removed)
}

fn open_index(path: &Utf8Path) -> Result<Connection, MailError> {
    let fail = |source| MailError::Index { path: path.to_owned(), source };
    let index = Connection::open(path).map_err(fail)?;
    // FULL: a commit is on disk when it returns, also in WAL mode. The small cache keeps an idle box cheap.
    index
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256; \
             PRAGMA journal_size_limit = 1048576; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;",
        )
        .map_err(fail)?;
    let found: i64 = index.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    match found {
        VERSION => {}
        0 => index.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;")).map_err(fail)?,
        found => return Err(MailError::IndexVersion { path: path.to_owned(), found, known: VERSION }),
    }
    Ok(index)
}

fn identity(path: &Utf8Path) -> Result<(u64, u64), MailError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| MailError::File { act: "look at", path: path.to_owned(), source })?;
    Ok((metadata.dev(), metadata.ino()))
}

//! The index of one root: an `SQLite` file that names every content. A commit is durable when the call returns.

use camino::Utf8Path;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    attributes::Attributes,
    content::FileId,
    error::StorageError,
    expiry::Expiry,
    listing::{self, Page, Query},
};

/// An object as the index knows it.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) file: FileId,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    /// Milliseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) attributes: Attributes,
}

/// What must hold for an object to be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    pub(crate) exists: Exists,
    /// No object has the key.
    pub(crate) absent: bool,
}

/// Whether an object must be there to be replaced.
#[derive(Clone, Debug, Default)]
pub(crate) enum Exists {
    #[default]
    Any,
    Must,
    /// And it must have this `ETag`.
    MustBe(String),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Index {
    pub(super) connection: Connection,
}

/// `user_version` of the schema below.
const VERSION: i64 = 1;

/// Keys are bytes: `SQLite` then compares them as S3 orders them, and they may contain anything.
const SCHEMA: &str = "
    CREATE TABLE object (
        key BLOB PRIMARY KEY NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
        modified INTEGER NOT NULL, attributes TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE upload (
        id TEXT PRIMARY KEY NOT NULL, key BLOB NOT NULL, started INTEGER NOT NULL, spec TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE part (
        upload TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
        modified INTEGER NOT NULL, checksums TEXT NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID;
    CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// Setting that stands while the bucket is deleted.
const DELETED: &str = "deleted";

const COLUMNS: &str = "key, file, size, etag, modified, attributes";

impl Index {
    /// Opens or creates the index at `path`.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self, StorageError> {
        let mut connection = Connection::open(path)?;
        // EXCLUSIVE keeps the WAL's index in our heap instead of a shared file; nobody else opens this database. FULL
        // syncs the WAL at every commit. 256 KiB of page cache is enough for trees of small rows.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 256;
             PRAGMA journal_size_limit = 1048576;",
        )?;
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version < VERSION {
            transaction.execute_batch(SCHEMA)?;
        }
        transaction.commit()?;
        Ok(Self { connection })
    }

    /// The object at `key`, if it has not expired.
    pub(crate) fn object(&self, key: &str, expiry: &Expiry) -> Result<Option<Object>, StorageError> {
        let object = find(&self.connection, key)?;
        Ok(object.filter(|object| !expiry.hides(&object.key, object.size, object.modified)))
    }

    /// Writes `object` if `condition` holds. Returns the content that it replaces.
    pub(crate) fn put(
        &mut self,
        object: &Object,
        condition: &Condition,
        expiry: &Expiry,
    ) -> Result<Option<FileId>, StorageError> {
        let transaction = self.connection.transaction()?;
        let replaced = write(&transaction, object, condition, expiry)?;
        transaction.commit()?;
        Ok(replaced)
    }

    /// Removes the objects at `keys` as one. Returns their contents.
    pub(crate) fn delete(&mut self, keys: &[String]) -> Result<Vec<FileId>, StorageError> {
        let transaction = self.connection.transaction()?;
        let mut removed = Vec::new();
        {
            let mut statement = transaction.prepare_cached("DELETE FROM object WHERE key = ?1 RETURNING file")?;
            for key in keys {
                let file: Option<String> = statement.query_row([key.as_bytes()], |row| row.get(0)).optional()?;
                removed.extend(file.map(FileId::from_index));
            }
        }
        transaction.commit()?;
        Ok(removed)
    }

    /// Replaces the attributes of the object at `key`.
    pub(crate) fn set_attributes(&mut self, key: &str, attributes: &Attributes) -> Result<(), StorageError> {
        let text = serde_json::to_string(attributes)?;
        self.connection.execute("UPDATE object SET attributes = ?2 WHERE key = ?1", params![key.as_bytes(), text])?;
        Ok(())
    }

    /// A page of objects and common prefixes, without what has expired.
    pub(crate) fn list(&self, query: &Query, expiry: &Expiry) -> Result<Page, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT key, size, etag, modified FROM object WHERE key >= ?1 ORDER BY key")?;
        listing::list(query, |from, visit| {
            let mut rows = statement.query([from])?;
            while let Some(row) = rows.next()? {
                let entry =
                    listing::Entry { key: key(row, 0)?, size: size(row, 1)?, etag: row.get(2)?, modified: row.get(3)? };
                if !expiry.hides(&entry.key, entry.size, entry.modified) && visit(entry).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The names of all content files that must stay.
    pub(crate) fn files(&self) -> Result<std::collections::HashSet<String>, StorageError> {
        let mut statement = self.connection.prepare("SELECT file FROM object UNION ALL SELECT file FROM part")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// The setting called `name`.
    pub(crate) fn setting<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StorageError> {
        let text: Option<String> = self
            .connection
            .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Sets or, with none, removes the setting called `name`.
    pub(crate) fn set<T: serde::Serialize>(&mut self, name: &str, value: Option<&T>) -> Result<(), StorageError> {
        match value {
            Some(value) => self.connection.execute(
                "INSERT INTO setting VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                params![name, serde_json::to_string(value)?],
            )?,
            None => self.connection.execute("DELETE FROM setting WHERE name = ?1", [name])?,
        };
        Ok(())
    }

    /// Whether the bucket was deleted.
    pub(crate) fn is_deleted(&self) -> Result<bool, StorageError> {
        Ok(self.setting::<bool>(DELETED)?.unwrap_or(false))
    }

    /// Makes the bucket new, without any settings.
    pub(super) fn create_bucket(&mut self) -> Result<(), StorageError> {
        self.connection.execute("DELETE FROM setting", [])?;
        Ok(())
    }

    /// Deletes the bucket with its settings. There must be no object and no upload.
    pub(super) fn delete_bucket(&mut self) -> Result<(), StorageError> {
        let transaction = self.connection.transaction()?;
        let sql = "SELECT EXISTS (SELECT 1 FROM object) OR EXISTS (SELECT 1 FROM upload)";
        if transaction.query_row(sql, [], |row| row.get(0))? {
            return Err(StorageError::BucketNotEmpty);
        }
        transaction.execute("DELETE FROM setting", [])?;
        transaction.execute("INSERT INTO setting VALUES (?1, 'true')", [DELETED])?;
        transaction.commit()?;
        Ok(())
    }
}

fn find(connection: &Connection, key: &str) -> Result<Option<Object>, StorageError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM object WHERE key = ?1"))?;
    let mut rows = statement.query([key.as_bytes()])?;
    rows.next()?.map(object).transpose()
}

/// Writes `object` inside a transaction of the caller's.
pub(super) fn write(
    connection: &Connection,
    object: &Object,
    condition: &Condition,
    expiry: &Expiry,
) -> Result<Option<FileId>, StorageError> {
    let deleted: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM setting WHERE name = ?1)")?
        .query_row([DELETED], |row| row.get(0))?;
    if deleted {
        return Err(StorageError::NoSuchBucket);
    }
    let before = find(connection, &object.key)?;
    let visible = before.as_ref().filter(|before| !expiry.hides(&before.key, before.size, before.modified));
    match (&condition.exists, visible) {
        (Exists::Must | Exists::MustBe(_), None) => return Err(StorageError::NoSuchKey),
        (Exists::MustBe(etag), Some(before)) if *etag != before.etag => return Err(StorageError::PreconditionFailed),
        _ => {}
    }
    if condition.absent && visible.is_some() {
        return Err(StorageError::PreconditionFailed);
    }
    connection
        .prepare_cached(
            "INSERT INTO object VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO UPDATE SET
             file = excluded.file, size = excluded.size, etag = excluded.etag, modified = excluded.modified,
             attributes = excluded.attributes",
        )?
        .execute(params![
            object.key.as_bytes(),
            object.file.as_str(),
            i64::try_from(object.size).unwrap_or(i64::MAX),
            object.etag,
            object.modified,
            serde_json::to_string(&object.attributes)?,
        ])?;
    Ok(before.map(|before| before.file))
}

fn object(row: &Row<'_>) -> Result<Object, StorageError> {
    let attributes: String = row.get(5)?;
    Ok(Object {
        key: key(row, 0)?,
        file: FileId::from_index(row.get(1)?),
        size: size(row, 2)?,
        etag: row.get(3)?,
        modified: row.get(4)?,
        attributes: serde_json::from_str(&attributes)?,
    })
}

/// Keys come from texts only.
pub(super) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let bytes: Vec<u8> = row.get(column)?;
    String::from_utf8(bytes).map_err(|error| rusqlite::Error::Utf8Error(error.utf8_error()))
}

pub(super) fn size(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

//! Which objects and uploads are too old: the key file's days and the bucket's lifecycle rules.
//!
//! An object is gone for every request at the moment it expires; maintenance removes its content later. S3 would round
//! up to the next midnight.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{
    content::FileId,
    error::StorageError,
    index::{Index, key, size},
    roots::Root,
};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Name of the setting that holds the lifecycle.
pub(crate) const LIFECYCLE: &str = "lifecycle";

/// One lifecycle rule as far as it concerns a bucket without versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rule {
    pub(crate) id: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) prefix: String,
    /// The prefix was given in a filter and not beside it.
    pub(crate) filter: bool,
    pub(crate) larger_than: Option<i64>,
    pub(crate) smaller_than: Option<i64>,
    pub(crate) days: Option<i32>,
    pub(crate) abort_days: Option<i32>,
}

/// What has expired at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expiry {
    rules: Vec<Rule>,
    now: i64,
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Expiry {
    /// Reads the rules of a root now. `expire_days` is the key file's.
    pub(crate) fn read(index: &Index, expire_days: u32) -> Result<Self, StorageError> {
        let mut rules: Vec<Rule> = index.setting(LIFECYCLE)?.unwrap_or_default();
        rules.retain(|rule| rule.enabled);
        if expire_days > 0 {
            let days = i32::try_from(expire_days).ok();
            rules.push(Rule { enabled: true, days, abort_days: days, ..Rule::default() });
        }
        Ok(Self { rules, now: now() })
    }

    /// Whether an object has expired.
    pub(crate) fn hides(&self, key: &str, size: u64, modified: i64) -> bool {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.rules.iter().any(|rule| {
            rule.days.is_some_and(|days| modified.saturating_add(i64::from(days) * DAY) <= self.now)
                && key.starts_with(&rule.prefix)
                && rule.larger_than.is_none_or(|limit| size > limit)
                && rule.smaller_than.is_none_or(|limit| size < limit)
        })
    }

    fn aborts(&self, key: &str, started: i64) -> bool {
        self.rules.iter().any(|rule| {
            rule.abort_days.is_some_and(|days| started.saturating_add(i64::from(days) * DAY) <= self.now)
                && key.starts_with(&rule.prefix)
        })
    }
}

/// Removes what has expired, a batch at a time so that requests come in between.
pub(crate) fn purge(root: &Root, expire_days: u32) -> Result<(), StorageError> {
    let expiry = Expiry::read(&root.index(), expire_days)?;
    if expiry.rules.is_empty() {
        return Ok(());
    }
    let mut from = Vec::new();
    loop {
        let (removed, next) = purge_objects(&mut root.index(), &expiry, &from)?;
        remove(root, &removed);
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    let removed = purge_uploads(&mut root.index(), &expiry)?;
    remove(root, &removed);
    Ok(())
}

fn remove(root: &Root, files: &[FileId]) {
    for file in files {
        root.content.remove(file);
    }
}

/// Looks at one batch of objects from the key `from` on; returns the contents to remove and where the next one begins.
fn purge_objects(
    index: &mut Index,
    expiry: &Expiry,
    from: &[u8],
) -> Result<(Vec<FileId>, Option<Vec<u8>>), StorageError> {
    const BATCH: usize = 1000;
    let mut seen = 0;
    let mut expired = Vec::new();
    let mut next = None;
    {
        let sql = "SELECT key, size, modified FROM object WHERE key >= ?1 ORDER BY key LIMIT ?2";
        let mut statement = index.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![from, i64::try_from(BATCH).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            seen += 1;
            let key = key(row, 0)?;
            if seen == BATCH {
                next = Some([key.as_bytes(), &[0]].concat());
            }
            if expiry.hides(&key, size(row, 1)?, row.get(2)?) {
                expired.push(key);
            }
        }
    }
    Ok((index.delete(&expired)?, next))
}

fn purge_uploads(index: &mut Index, expiry: &Expiry) -> Result<Vec<FileId>, StorageError> {
    let mut old: Vec<String> = Vec::new();
    {
        let mut statement = index.connection.prepare_cached("SELECT id, key, started FROM upload")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if expiry.aborts(&key(row, 1)?, row.get(2)?) {
                old.push(row.get(0)?);
            }
        }
    }
    let mut removed = Vec::new();
    for upload in old {
        removed.extend(index.drop_upload(&upload)?);
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rule(days: i32) -> Rule {
        Rule { enabled: true, days: Some(days), ..Rule::default() }
    }

    #[rstest]
    #[case(rule(1), "a", 0, DAY, true)]
    #[case(rule(1), "a", 1, DAY, false)]
    #[case(Rule { prefix: "tmp/".into(), ..rule(1) }, "a", 0, DAY, false)]
    #[case(Rule { prefix: "tmp/".into(), ..rule(1) }, "tmp/a", 0, DAY, true)]
    #[case(Rule { larger_than: Some(10), ..rule(1) }, "a", 0, DAY, false)]
    #[case(Rule { days: None, ..rule(1) }, "a", 0, DAY * 900, false)]
    fn an_object_expires_by_age_prefix_and_size(
        #[case] rule: Rule,
        #[case] key: &str,
        #[case] modified: i64,
        #[case] now: i64,
        #[case] hidden: bool,
    ) {
        assert_eq!(Expiry { rules: vec![rule], now }.hides(key, 10, modified), hidden);
    }
}

//! Asking the store.

use rusqlite::Row;
use serde::Serialize;

use super::{Filter, Item, Store, View, mailbox::Mailbox, source, tags};
use crate::infra::embedded::mail::MailError;

/// Which slice of a list.
#[derive(Clone, Copy, Debug)]
pub(in crate::infra::embedded::mail) struct Page {
    pub(in crate::infra::embedded::mail) start: usize,
    /// At most so many; none = all.
    pub(in crate::infra::embedded::mail) limit: Option<usize>,
}

/// A list as the API gives it.
#[derive(Debug, Serialize)]
pub(in crate::infra::embedded::mail) struct Listing {
    total: usize,
    unread: usize,
    count: usize,
    messages_count: usize,
    messages_unread: usize,
    start: usize,
    tags: Vec<String>,
    pub(in crate::infra::embedded::mail) messages: Vec<Item>,
}

/// A mail with its source.
#[derive(Debug)]
pub(in crate::infra::embedded::mail) struct Found {
    pub(in crate::infra::embedded::mail) item: Item,
    pub(in crate::infra::embedded::mail) raw: Vec<u8>,
}

impl Store {
    /// A slice of the mails of `view` that match, newest first.
    pub(in crate::infra::embedded::mail) fn list(
        &self,
        view: &View,
        filter: &Filter,
        page: Page,
    ) -> Result<Listing, MailError> {
        let (total, unread) = self.totals(view)?;
        let (mut messages_count, mut messages_unread, mut rows) = (0, 0, Vec::new());
        let wanted = page.limit.map(|limit| page.start.saturating_add(limit));
        for open in self.boxes(view)? {
            let mailbox = open.lock();
            let (count, unread) = counts(&mailbox, filter)?;
            messages_count += count;
            messages_unread += unread;
            rows.extend(newest(&mailbox, filter, wanted)?);
        }
        rows.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        let messages: Vec<Item> =
            rows.into_iter().skip(page.start).take(page.limit.unwrap_or(usize::MAX)).map(|(_, item)| item).collect();
        Ok(Listing {
            total,
            unread,
            count: messages.len(),
            messages_count,
            messages_unread,
            start: page.start,
            tags: self.tags(view)?.into_iter().map(|(tag, _)| tag).collect(),
            messages,
        })
    }

    /// Mails and unread mails of `view`.
    pub(in crate::infra::embedded::mail) fn totals(&self, view: &View) -> Result<(usize, usize), MailError> {
        let mut totals = (0, 0);
        for open in self.boxes(view)? {
            let (count, unread) = counts(&open.lock(), &Filter::all())?;
            totals = (totals.0 + count, totals.1 + unread);
        }
        Ok(totals)
    }

    /// All tags of `view` with the number of their mails.
    pub(in crate::infra::embedded::mail) fn tags(&self, view: &View) -> Result<Vec<(String, usize)>, MailError> {
        let mut all = Vec::<String>::new();
        for open in self.boxes(view)? {
            let mailbox = open.lock();
            let mut select = mailbox
                .index
                .prepare_cached("SELECT json_each.value FROM mails, json_each(mails.tags)")
                .map_err(|error| mailbox.fail(error))?;
            let rows = select.query_map([], |row| row.get::<_, String>(0)).map_err(|error| mailbox.fail(error))?;
            for tag in rows {
                all.push(tag.map_err(|error| mailbox.fail(error))?);
            }
        }
        let counted = tags::sorted(all.clone()).into_iter().map(|tag| {
            let count = all.iter().filter(|one| one.eq_ignore_ascii_case(&tag)).count();
            (tag, count)
        });
        Ok(counted.collect())
    }

    /// The id of the newest mail of `view` that matches.
    pub(in crate::infra::embedded::mail) fn latest(
        &self,
        view: &View,
        filter: &Filter,
    ) -> Result<Option<String>, MailError> {
        let listing = self.list(view, filter, Page { start: 0, limit: Some(1) })?;
        Ok(listing.messages.into_iter().next().map(|item| item.id))
    }

    /// The mail `id`, if it is in `view`.
    pub(in crate::infra::embedded::mail) fn find(&self, view: &View, id: &str) -> Result<Option<Found>, MailError> {
        if !source::is_id(id) {
            return Ok(None);
        }
        for open in self.boxes(view)? {
            let mailbox = open.lock();
            let mut select = mailbox
                .index
                .prepare_cached("SELECT created, read, tags, item FROM mails WHERE id = ?")
                .map_err(|error| mailbox.fail(error))?;
            let mut rows = select.query([id]).map_err(|error| mailbox.fail(error))?;
            if let Some(row) = rows.next().map_err(|error| mailbox.fail(error))? {
                let (_, item) = item(row).map_err(|error| mailbox.fail(error))?;
                let raw = mailbox.source(id)?;
                return Ok(Some(Found { item, raw }));
            }
        }
        Ok(None)
    }

    /// Bytes on disk of the sources of `view`.
    pub(in crate::infra::embedded::mail) fn bytes(&self, view: &View) -> Result<u64, MailError> {
        let mut bytes = 0;
        for open in self.boxes(view)? {
            let mailbox = open.lock();
            let sum: i64 = mailbox
                .index
                .query_row("SELECT coalesce(sum(size), 0) FROM mails", [], |row| row.get(0))
                .map_err(|error| mailbox.fail(error))?;
            bytes += sum.unsigned_abs();
        }
        Ok(bytes)
    }
}

fn counts(mailbox: &Mailbox, filter: &Filter) -> Result<(usize, usize), MailError> {
    let sql = format!("SELECT count(*), coalesce(sum(read = 0), 0) FROM mails WHERE {}", filter.sql());
    let number = |row: &Row<'_>, column| row.get::<_, i64>(column).map(|number| usize::try_from(number).unwrap_or(0));
    mailbox
        .index
        .query_row(&sql, filter.params(), |row| Ok((number(row, 0)?, number(row, 1)?)))
        .map_err(|error| mailbox.fail(error))
}

fn newest(mailbox: &Mailbox, filter: &Filter, limit: Option<usize>) -> Result<Vec<(i64, Item)>, MailError> {
    let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1));
    let sql =
        format!("SELECT created, read, tags, item FROM mails WHERE {} ORDER BY seq DESC LIMIT {limit}", filter.sql());
    let mut select = mailbox.index.prepare(&sql).map_err(|error| mailbox.fail(error))?;
    let rows = select.query_map(filter.params(), item).map_err(|error| mailbox.fail(error))?;
    rows.collect::<Result<_, _>>().map_err(|error| mailbox.fail(error))
}

/// A row of created, read, tags, item.
fn item(row: &Row<'_>) -> rusqlite::Result<(i64, Item)> {
    let json =
        |column: usize, error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error);
    let text: String = row.get(3)?;
    let mut item: Item = serde_json::from_str(&text).map_err(|error| json(3, Box::new(error)))?;
    item.read = row.get(1)?;
    let tags: String = row.get(2)?;
    item.tags = serde_json::from_str(&tags).map_err(|error| json(2, Box::new(error)))?;
    Ok((row.get(0)?, item))
}

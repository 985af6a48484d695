//! Changing the store, and telling of it.

use serde_json::{Value, json};

use super::{Content, Filter, Item, Store, View, mailbox::Mailbox, source, tags};
use crate::infra::embedded::mail::{MailError, events::Kind, mime::Mail, users::Login};

/// Deletions told one by one; more are told as `prune`. Mailpit's number.
const TOLD: usize = 200;

/// Which mails a change is about.
#[derive(Clone, Debug)]
pub(in crate::infra::embedded::mail) enum Selection {
    All,
    Ids(Vec<String>),
    Matching(Filter),
}

impl Store {
    /// Keeps a mail under `id`: durable when it returns.
    ///
    /// # Errors
    /// [`MailError::Gone`] when the login is no longer valid; then nothing was kept.
    pub(in crate::infra::embedded::mail) fn deliver(
        &self,
        login: Option<&Login>,
        id: &str,
        content: Content,
    ) -> Result<(), MailError> {
        let open = self.for_delivery(login)?;
        let name = &open.name;
        let (raw, file) = match content {
            Content::Memory(raw) => (raw, None),
            Content::File(spool) => {
                let target = open.lock().source_path(id);
                (spool.settle(&target)?, Some(target))
            }
        };
        let mail = Mail::parse(&raw);
        let created = jiff::Timestamp::now().as_millisecond();
        let username = login.map_or("", |login| login.user.as_str());
        let item = Item::new(&mail, id, created, username, &raw);
        let kept = {
            let mut mailbox = open.lock();
            if self.is_current(&open) {
                mailbox.insert(&item, created, &mail, file.is_none().then_some(raw.as_slice()))
            } else {
                Err(MailError::Gone(name.clone()))
            }
        };
        let removed = match (kept, file) {
            (Ok(removed), _) => removed,
            (Err(error), None) => return Err(error),
            (Err(error), Some(file)) => {
                // What stays in spite of this goes when the box is opened next.
                drop(std::fs::remove_file(file));
                return Err(error);
            }
        };
        self.count(name, |stats| {
            stats.accepted += 1;
            stats.accepted_bytes += item.size;
        });
        self.events.frame(name, "new", &item);
        self.tell_removed(name, &removed);
        Ok(())
    }

    /// Deletes mails of `view`; ids that are not there are no error.
    pub(in crate::infra::embedded::mail) fn delete(&self, view: &View, selection: &Selection) -> Result<(), MailError> {
        for open in self.boxes(view)? {
            let name = &open.name;
            let mut mailbox = open.lock();
            let ids = selected(&mailbox, selection)?;
            mailbox.remove(&ids)?;
            match selection {
                Selection::All => {
                    self.count(name, |stats| stats.deleted += ids.len() as u64);
                    self.events.send(name, Kind::Truncated);
                }
                Selection::Ids(_) | Selection::Matching(_) => self.tell_removed(name, &ids),
            }
        }
        Ok(())
    }

    /// Sets the read state of mails of `view`.
    pub(in crate::infra::embedded::mail) fn set_read(
        &self,
        view: &View,
        selection: &Selection,
        read: bool,
    ) -> Result<(), MailError> {
        for open in self.boxes(view)? {
            let name = &open.name;
            let mut mailbox = open.lock();
            let ids = selected(&mailbox, selection)?;
            let mut changed = Vec::new();
            let change = mailbox.index.transaction().map_err(|error| failed(name, error))?;
            for id in ids {
                let rows = change
                    .prepare_cached("UPDATE mails SET read = ?1 WHERE id = ?2 AND read <> ?1")
                    .and_then(|mut update| update.execute(rusqlite::params![read, id]))
                    .map_err(|error| failed(name, error))?;
                if rows > 0 {
                    changed.push(id);
                }
            }
            change.commit().map_err(|error| failed(name, error))?;
            if changed.is_empty() {
                continue;
            }
            if matches!(selection, Selection::Ids(_)) {
                for id in &changed {
                    self.events.frame(name, "update", &json!({ "ID": id, "Read": read }));
                }
            }
            self.events.send(name, Kind::Totals);
        }
        Ok(())
    }

    /// Gives the mails `ids` of `view` these tags and no others.
    pub(in crate::infra::embedded::mail) fn set_tags(
        &self,
        view: &View,
        ids: &[String],
        wanted: &[String],
    ) -> Result<(), MailError> {
        // The first spelling of a tag wins.
        let known = self.tags(view)?;
        let spelt = wanted.iter().map(|tag| {
            let tag = tags::clean(tag);
            known.iter().find(|(one, _)| one.eq_ignore_ascii_case(&tag)).map_or(tag, |(one, _)| one.clone())
        });
        let wanted = tags::sorted(spelt);
        self.change_tags(view, |id, _| ids.iter().any(|one| one == id).then(|| wanted.clone()))
    }

    /// Renames or, without a new name, removes a tag. Gives whether there was one.
    pub(in crate::infra::embedded::mail) fn replace_tag(
        &self,
        view: &View,
        old: &str,
        new: Option<&str>,
    ) -> Result<bool, MailError> {
        if !self.tags(view)?.iter().any(|(tag, _)| tag.eq_ignore_ascii_case(old)) {
            return Ok(false);
        }
        self.change_tags(view, |_, tags| {
            tags.iter().any(|tag| tag.eq_ignore_ascii_case(old)).then(|| {
                let others = tags.iter().filter(|tag| !tag.eq_ignore_ascii_case(old)).cloned();
                tags::sorted(others.chain(new.map(ToOwned::to_owned)))
            })
        })?;
        Ok(true)
    }

    fn change_tags(
        &self,
        view: &View,
        change: impl Fn(&str, &[String]) -> Option<Vec<String>>,
    ) -> Result<(), MailError> {
        for open in self.boxes(view)? {
            let name = &open.name;
            let mailbox = open.lock();
            for id in mailbox.matching(&Filter::all())? {
                let now: String = mailbox
                    .index
                    .query_row("SELECT tags FROM mails WHERE id = ?", [&id], |row| row.get(0))
                    .map_err(|error| mailbox.fail(error))?;
                let now: Vec<String> = serde_json::from_str(&now).unwrap_or_default();
                let Some(tags) = change(&id, &now).filter(|tags| *tags != now) else { continue };
                let text = Value::from(tags.clone()).to_string();
                mailbox
                    .index
                    .execute("UPDATE mails SET tags = ? WHERE id = ?", [&text, &id])
                    .map_err(|error| mailbox.fail(error))?;
                self.events.frame(name, "update", &json!({ "ID": id, "Tags": tags }));
            }
        }
        Ok(())
    }

    fn tell_removed(&self, name: &str, ids: &[String]) {
        self.count(name, |stats| stats.deleted += ids.len() as u64);
        if ids.len() > TOLD {
            self.events.frame(name, "prune", &Value::Null);
        } else {
            for id in ids {
                self.events.frame(name, "delete", &json!({ "ID": id }));
            }
        }
        self.events.send(name, Kind::Totals);
    }
}

fn failed(name: &str, source: rusqlite::Error) -> MailError {
    MailError::Index { path: name.into(), source }
}

fn selected(mailbox: &Mailbox, selection: &Selection) -> Result<Vec<String>, MailError> {
    match selection {
        Selection::All => mailbox.matching(&Filter::all()),
        Selection::Matching(filter) => mailbox.matching(filter),
        Selection::Ids(ids) => {
            let there = mailbox.matching(&Filter::all())?;
            Ok(ids.iter().filter(|id| source::is_id(id) && there.contains(id)).cloned().collect())
        }
    }
}

//! Adding a mail to a box, and making room for it.

use rusqlite::{Transaction, params};

use super::{Item, layout, mailbox::Mailbox};
use crate::infra::embedded::mail::{
    MailError, limits,
    mime::{Address, Mail},
};

/// What of a mail is searched, in lower case.
struct Searched {
    from: String,
    to: String,
    cc: String,
    bcc: String,
    reply_to: String,
    subject: String,
    message_id: String,
    all: String,
}

impl Searched {
    fn new(item: &Item, mail: &Mail<'_>) -> Self {
        let addresses =
            |list: &[Address]| list.iter().map(|one| one.text().to_lowercase()).collect::<Vec<_>>().join("\n");
        let parts = mail.parts();
        let names: Vec<_> = parts.iter().map(|part| part.file_name.to_lowercase()).collect();
        let mut text = mail.visible_text();
        if text.len() > limits::SEARCH_TEXT {
            let end = (0..=limits::SEARCH_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
        }
        let body = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let from = addresses(std::slice::from_ref(&item.from));
        let (to, cc, bcc) = (addresses(&item.to), addresses(&item.cc), addresses(&item.bcc));
        let reply_to = addresses(&item.reply_to);
        let subject = item.subject.to_lowercase();
        let all = [from.as_str(), &subject, &to, &cc, &bcc, &reply_to, &names.join("\n"), &body].join("\n");
        Self { from, to, cc, bcc, reply_to, subject, message_id: item.message_id.to_lowercase(), all }
    }
}

impl Mailbox {
    /// Adds a mail, with its source unless that is settled in a file; gives the ids that had to go for it. Durable when
    /// it returns.
    pub(super) fn insert(
        &mut self,
        item: &Item,
        created: i64,
        mail: &Mail<'_>,
        source: Option<&[u8]>,
    ) -> Result<Vec<String>, MailError> {
        let path = layout::index(&self.directory);
        let fail = |source| MailError::Index { path: path.clone(), source };
        let searched = Searched::new(item, mail);
        let change = self.index.transaction().map_err(fail)?;
        write(&change, item, created, mail.parts().len(), &searched).map_err(fail)?;
        if let Some(source) = source {
            change
                .prepare_cached("INSERT INTO sources (seq, raw) VALUES (last_insert_rowid(), ?)")
                .and_then(|mut insert| insert.execute([source]))
                .map_err(fail)?;
        }
        let removed = prune(&change).map_err(fail)?;
        change.commit().map_err(fail)?;
        self.remove_files(&removed)?;
        Ok(removed)
    }
}

fn write(
    change: &Transaction<'_>,
    item: &Item,
    created: i64,
    parts: usize,
    searched: &Searched,
) -> rusqlite::Result<()> {
    let json = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let mut insert = change.prepare_cached(
        "INSERT INTO mails (id, created, size, attachments, inlines, tags, item, s_from, s_to, s_cc, s_bcc, s_reply_to, \
         s_subject, s_message_id, s_all) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![
        item.id,
        created,
        i64::try_from(item.size).unwrap_or(i64::MAX),
        i64::try_from(item.attachments).unwrap_or(i64::MAX),
        i64::try_from(parts - item.attachments).unwrap_or(i64::MAX),
        serde_json::to_string(&item.tags).map_err(json)?,
        serde_json::to_string(item).map_err(json)?,
        searched.from,
        searched.to,
        searched.cc,
        searched.bcc,
        searched.reply_to,
        searched.subject,
        searched.message_id,
        searched.all,
    ])?;
    Ok(())
}

/// Removes the oldest mails from the index until the box is within its limits; the newest always stays.
fn prune(change: &Transaction<'_>) -> rusqlite::Result<Vec<String>> {
    let (mut count, mut bytes) = change
        .prepare_cached("SELECT count(*), coalesce(sum(size), 0) FROM mails")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let (most, largest) = (limits::MAILS_PER_BOX, limits::BYTES_PER_BOX);
    let mut removed = Vec::new();
    while count > 1 && (count > most || bytes > largest) {
        let (seq, id, size) = change
            .prepare_cached("SELECT seq, id, size FROM mails ORDER BY seq LIMIT 1")?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?)))?;
        change.prepare_cached("DELETE FROM mails WHERE seq = ?")?.execute([seq])?;
        count -= 1;
        bytes -= size;
        removed.push(id);
    }
    Ok(removed)
}

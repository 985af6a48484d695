//! A mail as a list shows it.

use serde::{Deserialize, Serialize};

use super::tags;
use crate::infra::embedded::mail::mime::{Address, Mail};

/// What lists, events and the index hold of a mail. Field names are Mailpit's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::infra::embedded::mail) struct Item {
    #[serde(rename = "ID")]
    pub(in crate::infra::embedded::mail) id: String,
    #[serde(rename = "MessageID")]
    pub(in crate::infra::embedded::mail) message_id: String,
    pub(in crate::infra::embedded::mail) read: bool,
    pub(in crate::infra::embedded::mail) from: Address,
    pub(in crate::infra::embedded::mail) to: Vec<Address>,
    pub(in crate::infra::embedded::mail) cc: Vec<Address>,
    pub(in crate::infra::embedded::mail) bcc: Vec<Address>,
    pub(in crate::infra::embedded::mail) reply_to: Vec<Address>,
    pub(in crate::infra::embedded::mail) subject: String,
    /// When it was received, RFC 3339 with milliseconds.
    pub(in crate::infra::embedded::mail) created: String,
    /// The SMTP login, "" without one.
    pub(in crate::infra::embedded::mail) username: String,
    pub(in crate::infra::embedded::mail) tags: Vec<String>,
    /// Bytes of the source as stored.
    pub(in crate::infra::embedded::mail) size: u64,
    /// Attachments, inline parts not counted.
    pub(in crate::infra::embedded::mail) attachments: usize,
    pub(in crate::infra::embedded::mail) snippet: String,
}

impl Item {
    /// The item of `mail`, received at `created` (Unix milliseconds).
    pub(super) fn new(mail: &Mail<'_>, id: &str, created: i64, username: &str, raw: &[u8]) -> Self {
        Self {
            id: id.to_owned(),
            message_id: mail.message_id().to_owned(),
            read: false,
            from: mail.from().cloned().unwrap_or_default(),
            to: mail.to().to_vec(),
            cc: mail.cc().to_vec(),
            bcc: mail.bcc().to_vec(),
            reply_to: mail.reply_to().to_vec(),
            subject: mail.subject().to_owned(),
            created: rfc3339(created),
            username: username.to_owned(),
            tags: tags::of(mail, raw),
            size: raw.len() as u64,
            attachments: mail.parts().iter().filter(|part| !part.inline).count(),
            snippet: mail.snippet(),
        }
    }
}

/// Unix milliseconds as RFC 3339.
pub(super) fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}

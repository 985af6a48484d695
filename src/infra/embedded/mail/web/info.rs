//! What the service says of itself.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde_json::{Map, Value, json};

use super::{App, answer::Answer, session::Viewer};
use crate::infra::embedded::mail::store::{Store, View};

pub(super) const VERSION: &str = concat!("agent-harness ", env!("CARGO_PKG_VERSION"));

pub(super) async fn info(State(app): State<App>, Extension(viewer): Extension<Viewer>) -> Answer<Json<Value>> {
    let uptime = app.started.elapsed().as_secs();
    let info = app.store.run(move |store| {
        let (messages, unread) = store.totals(&viewer.view)?;
        let stats = store.stats(&viewer.view);
        let tags = store.tags(&viewer.view)?.into_iter().map(|(tag, count)| (tag, Value::from(count)));
        Ok(json!({
            "Version": VERSION,
            "LatestVersion": "disabled",
            "Database": "",
            "DatabaseSize": store.bytes(&viewer.view)?,
            "Messages": messages,
            "Unread": unread,
            "Tags": tags.collect::<Map<_, _>>(),
            "RuntimeStats": {
                "Uptime": uptime,
                "Memory": memory(),
                "MessagesDeleted": stats.deleted,
                "SMTPAccepted": stats.accepted,
                "SMTPAcceptedSize": stats.accepted_bytes,
                "SMTPRejected": stats.rejected,
                "SMTPIgnored": 0,
            },
        }))
    });
    Ok(Json(info.await?))
}

pub(super) async fn webui(Extension(viewer): Extension<Viewer>) -> Json<Value> {
    Json(json!({
        "Label": viewer.login.user.as_str(),
        "MessageRelay": {
            "Enabled": false,
            "SMTPServer": "",
            "ReturnPath": "",
            "AllowedRecipients": "",
            "BlockedRecipients": "",
            "OverrideFrom": "",
            "PreserveMessageIDs": false,
            "RecipientAllowlist": "",
        },
        "SpamAssassin": false,
        "ChaosEnabled": false,
        "DuplicatesIgnored": false,
        "HideDeleteAllButton": false,
    }))
}

/// Ours: whose page this is, and for the admin which boxes there are.
pub(super) async fn mailboxes(State(app): State<App>, Extension(viewer): Extension<Viewer>) -> Answer<Json<Value>> {
    let admin = viewer.login.user.as_str() == crate::infra::embedded::mail::ADMIN;
    let names = if admin { app.store.run(Store::names).await? } else { vec![viewer.login.user.to_string()] };
    let shown = match &viewer.view {
        View::One(name) => Value::from(name.as_str()),
        View::All => Value::Null,
    };
    Ok(Json(json!({ "User": viewer.login.user.as_str(), "Shown": shown, "Mailboxes": names })))
}

pub(super) async fn alive() -> StatusCode {
    StatusCode::OK
}

/// Bytes of memory that this process has resident; 0 where the kernel does not say.
fn memory() -> u64 {
    let statm = procfs::process::Process::myself().and_then(|process| process.statm());
    statm.map_or(0, |statm| statm.resident * rustix::param::page_size() as u64)
}

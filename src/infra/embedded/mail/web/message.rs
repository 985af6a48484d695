//! One mail: its parts and its source.

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use md5::{Digest as _, Md5};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

use super::{
    App,
    answer::{Answer, Refusal},
    session::Viewer,
};
use crate::infra::embedded::mail::{
    mime::{Attachment, Mail, raw_headers},
    store::{Filter, Found, Item, Selection},
};

/// What narrows down `latest`, and how a source is wanted.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Which {
    query: Option<String>,
    tz: Option<String>,
    dl: Option<String>,
}

impl Which {
    pub(super) const fn of(query: Option<String>, tz: Option<String>) -> Self {
        Self { query, tz, dl: None }
    }
}

/// Finds the mail `id` of who asks, `latest` too, and works on it where it may block.
pub(super) async fn on_mail<T: Send + 'static>(
    app: &App,
    viewer: &Viewer,
    id: String,
    which: &Which,
    mark_read: bool,
    work: impl FnOnce(Found) -> T + Send + 'static,
) -> Answer<T> {
    let view = viewer.view.clone();
    let filter = Filter::parse(which.query.as_deref().unwrap_or_default(), which.tz.as_deref());
    let done = app.store.run(move |store| {
        let id = if id == "latest" { store.latest(&view, &filter)? } else { Some(id) };
        let Some(id) = id else { return Ok(None) };
        let Some(found) = store.find(&view, &id)? else { return Ok(None) };
        if mark_read && !found.item.read {
            store.set_read(&view, &Selection::Ids(vec![id]), true)?;
        }
        Ok(Some(work(found)))
    });
    done.await?.ok_or(Refusal::NotFound)
}

pub(super) async fn message(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Answer<Json<Value>> {
    let shape = |found: Found| shape(&found.item, &Mail::parse(&found.raw), &found.raw);
    Ok(Json(on_mail(&app, &viewer, id, &which, true, shape).await?))
}

pub(super) async fn headers(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Answer<Response> {
    let all = on_mail(&app, &viewer, id, &which, false, |found| raw_headers(&found.raw)).await?;
    Ok(Json(all).into_response())
}

pub(super) async fn raw(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Answer<Response> {
    let found = on_mail(&app, &viewer, id, &which, false, |found| found).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if which.dl.as_deref() == Some("1") {
        set(&mut headers, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{}.eml\"", found.item.id));
    }
    Ok((headers, found.raw).into_response())
}

/// A part as it was sent. A browser neither guesses what it is nor runs what is in it.
pub(super) async fn part(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Path((id, part)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Answer<Response> {
    let read = move |found: Found| {
        let mail = Mail::parse(&found.raw);
        mail.part(&part).map(|part| (mail.content(&part).into_owned(), part))
    };
    let (content, part) = on_mail(&app, &viewer, id, &which, false, read).await?.ok_or(Refusal::NotFound)?;
    let mut headers = HeaderMap::new();
    set(&mut headers, header::CONTENT_TYPE, &part.content_type);
    let name: String = url::form_urlencoded::byte_serialize(part.file_name.as_bytes()).collect();
    let name = name.replace('+', "%20");
    set(&mut headers, header::CONTENT_DISPOSITION, &format!("inline; filename=\"{name}\""));
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
    set(&mut headers, header::CONTENT_SECURITY_POLICY, policy);
    Ok((headers, content).into_response())
}

/// Sets a header whose value is made of what we checked; one that cannot be sent is left out.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn shape(item: &Item, mail: &Mail<'_>, raw: &[u8]) -> Value {
    let headers = raw_headers(raw);
    let first = |name: &str| headers.get(name).and_then(|values| values.first()).cloned().unwrap_or_default();
    let sender = first("Return-Path").trim().trim_matches(['<', '>']).to_owned();
    // The null sender: Mailpit shows From.
    let return_path = if sender.is_empty() { item.from.address.clone() } else { sender };
    let date = mail.date().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let parts = mail.parts();
    let of = |inline: bool| -> Vec<Value> {
        parts.iter().filter(|part| part.inline == inline).map(|part| part_shape(mail, part)).collect()
    };
    json!({
        "ID": item.id,
        "MessageID": item.message_id,
        "From": item.from,
        "To": item.to,
        "Cc": item.cc,
        "Bcc": item.bcc,
        "ReplyTo": item.reply_to,
        "ReturnPath": return_path,
        "Subject": item.subject,
        "ListUnsubscribe": unsubscribe(&first("List-Unsubscribe"), &first("List-Unsubscribe-Post")),
        "Date": date.map_or_else(|| item.created.clone(), |date| date.to_string()),
        "Tags": item.tags,
        "Username": item.username,
        "Text": mail.text(),
        "HTML": mail.html(),
        "Size": item.size,
        "Inline": of(true),
        "Attachments": of(false),
    })
}

fn part_shape(mail: &Mail<'_>, part: &Attachment) -> Value {
    let content = mail.content(part);
    json!({
        "PartID": part.id,
        "FileName": part.file_name,
        "ContentType": part.content_type,
        "ContentID": part.content_id,
        "Size": content.len(),
        "Checksums": {
            "MD5": hex::encode(Md5::digest(&content)),
            "SHA1": hex::encode(Sha1::digest(&content)),
            "SHA256": hex::encode(Sha256::digest(&content)),
        },
    })
}

fn unsubscribe(header: &str, post: &str) -> Value {
    let pieces = header.split(',').filter_map(|piece| piece.split_once('<')?.1.split('>').next());
    let links: Vec<&str> = pieces.map(str::trim).filter(|link| !link.is_empty()).collect();
    let known = |link: &&str| ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme));
    let errors = match (header.is_empty(), links.is_empty(), links.iter().all(known)) {
        (true, _, _) | (false, false, true) => "",
        (false, true, _) => "no link in angle brackets",
        (false, false, false) => "a link of an unknown kind",
    };
    json!({ "Header": header, "Links": links, "Errors": errors, "HeaderPost": post })
}

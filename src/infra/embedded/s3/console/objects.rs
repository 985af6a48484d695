//! What the pages do with objects: list, download, upload, delete.

use std::sync::Arc;

use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use s3s::{Body, dto::StreamingBlob};

use super::{Refusal, Session, form, page, session::same};
use crate::infra::embedded::s3::{
    attributes::{Algorithm, Attributes},
    error::StorageError,
    expiry::{self, Expiry},
    index::{Condition, Object},
    listing::{After, Query},
    percent, reader,
    roots::Roots,
    sink,
};

/// Objects of a page.
const PAGE: usize = 200;
/// The largest upload, as of one S3 request.
const LARGEST: u64 = 5 << 30;
/// The longest key in bytes.
const LONGEST_KEY: usize = 1024;

pub(super) async fn list(
    roots: &Arc<Roots>,
    session: &Session,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let prefix = form::query(request, "prefix").unwrap_or_default();
    let after = form::query(request, "after").and_then(|token| After::from_token(&token)).unwrap_or_default();
    let delimiter = Some("/".to_owned());
    let query = Query { prefix: prefix.clone(), delimiter, after, limit: PAGE };
    let root = roots.root(&session.key.access_key).await?;
    let days = session.key.expire_days;
    let listed = root.run(move |root| {
        let index = root.index();
        index.list(&query, &Expiry::read(&index, days)?)
    });
    Ok(page::html(StatusCode::OK, page::listing(session, &prefix, &listed.await?)))
}

pub(super) async fn download(
    roots: &Arc<Roots>,
    session: &Session,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let key = form::query(request, "key").ok_or(Refusal::BadRequest)?;
    let name = key.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let root = roots.root(&session.key.access_key).await?;
    let days = session.key.expire_days;
    let opened = root.run(move |root| {
        let index = root.index();
        let object = index.object(&key, &Expiry::read(&index, days)?)?.ok_or(StorageError::NoSuchKey)?;
        let file = root.content.open(&object.file)?;
        Ok((object, file))
    });
    let (object, file) = opened.await?;
    let mut response = Response::new(Body::from(reader::body(file, 0..object.size)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(object.size));
    // Always a download: an uploaded page must not run with the rights of this one.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let disposition = format!("attachment; filename*=UTF-8''{}", page::percent(&name));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(|_| Refusal::BadRequest)?);
    Ok(response)
}

pub(super) async fn upload(
    roots: &Arc<Roots>,
    session: &Session,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let token = request.headers().get("x-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !same(token, &session.token) {
        return Err(Refusal::Forbidden);
    }
    let key = form::query(&request, "key").filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    let key = key.ok_or(Refusal::BadRequest)?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut attributes = Attributes { content_type: content_type.map(str::to_owned), ..Attributes::default() };
    let root = roots.root(&session.key.access_key).await?;
    let body = StreamingBlob::from(Body::from(request.into_body()));
    let received = sink::receive(root.content.clone(), vec![Algorithm::Crc64nvme], Some(body), LARGEST).await?;
    attributes.checksums = received.checksums.clone();
    let days = session.key.expire_days;
    let stored = root.run(move |root| {
        let (size, etag) = (received.size, hex::encode(received.md5));
        let new = received.sync()?;
        let object = Object { key, file: new.id().clone(), size, etag, modified: expiry::now(), attributes };
        let replaced = {
            let mut index = root.index();
            let expiry = Expiry::read(&index, days)?;
            index.put(&object, &Condition::default(), &expiry)?
        };
        new.keep();
        if let Some(replaced) = replaced {
            root.content.remove(&replaced);
        }
        Ok(())
    });
    stored.await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

pub(super) async fn delete(
    roots: &Arc<Roots>,
    session: &Session,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let fields = form::read(request, session).await?;
    // Keys travel percent-encoded once more: forms would change line ends in them.
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| percent::decode(value));
    let key = field("key").ok_or(Refusal::BadRequest)?;
    let root = roots.root(&session.key.access_key).await?;
    let deleted = root.run(move |root| {
        let files = root.index().delete(&[key])?;
        for file in files {
            root.content.remove(&file);
        }
        Ok(())
    });
    deleted.await?;
    Ok(page::redirect(
        &format!("{}?prefix={}", session.home(), page::percent(&field("prefix").unwrap_or_default())),
        None,
    ))
}

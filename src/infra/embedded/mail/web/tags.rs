//! Tags of mails.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
    response::Response,
};

use super::{
    App,
    answer::{Answer, Refusal, ok},
    messages::{object, text, texts},
    session::Viewer,
};
use crate::infra::embedded::mail::store::clean_tag;

pub(super) async fn list(State(app): State<App>, Extension(viewer): Extension<Viewer>) -> Answer<Json<Vec<String>>> {
    let tags = app.store.run(move |store| store.tags(&viewer.view)).await?;
    Ok(Json(tags.into_iter().map(|(tag, _)| tag).collect()))
}

pub(super) async fn set(State(app): State<App>, Extension(viewer): Extension<Viewer>, body: Bytes) -> Answer<Response> {
    let body = object(&body)?;
    let (ids, tags) = (texts(&body, "ids")?, texts(&body, "tags")?);
    app.store.run(move |store| store.set_tags(&viewer.view, &ids, &tags)).await?;
    Ok(ok())
}

pub(super) async fn rename(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Path(tag): Path<String>,
    body: Bytes,
) -> Answer<Response> {
    let name = clean_tag(&text(&object(&body)?, "name")?.unwrap_or_default());
    if name.is_empty() {
        return Err(Refusal::Bad("Not a name for a tag".to_owned()));
    }
    let (old, new) = (tag.clone(), name.clone());
    let found = app.store.run(move |store| {
        let taken = store.tags(&viewer.view)?.iter().any(|(one, _)| one.eq_ignore_ascii_case(&new));
        if taken && !old.eq_ignore_ascii_case(&new) {
            return Ok(None);
        }
        store.replace_tag(&viewer.view, &old, Some(&new)).map(Some)
    });
    match found.await? {
        Some(true) => Ok(ok()),
        Some(false) => Err(Refusal::Bad(format!("No tag {tag}"))),
        None => Err(Refusal::Bad(format!("The tag {name} exists already"))),
    }
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Path(tag): Path<String>,
) -> Answer<Response> {
    let old = tag.clone();
    let found = app.store.run(move |store| store.replace_tag(&viewer.view, &old, None)).await?;
    if found { Ok(ok()) } else { Err(Refusal::Bad(format!("No tag {tag}"))) }
}

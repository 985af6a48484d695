//! Lists of mails, and changes of many at once.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    App,
    answer::{Answer, Refusal, ok},
    session::Viewer,
};
use crate::infra::embedded::mail::store::{Filter, Listing, Page, Selection};

/// Mails of a slice when the client names no number.
const LIMIT: usize = 50;

/// The queries of lists. Numbers that are none count as not given, as Mailpit has it.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    start: Option<String>,
    limit: Option<String>,
    before: Option<String>,
    query: Option<String>,
    tz: Option<String>,
}

impl Wanted {
    fn page(&self) -> Page {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<usize>().ok());
        let limit = match number(&self.limit) {
            Some(0) => None,
            limit => Some(limit.unwrap_or(LIMIT)),
        };
        Page { start: number(&self.start).unwrap_or(0), limit }
    }

    fn filter(&self, query: &str) -> Filter {
        let filter = Filter::parse(query, self.tz.as_deref());
        match &self.before {
            Some(date) => filter.before(date, self.tz.as_deref()),
            None => filter,
        }
    }

    fn query(&self) -> Answer<&str> {
        let query = self.query.as_deref().map(str::trim).filter(|query| !query.is_empty());
        query.ok_or_else(|| Refusal::Bad("Error: no search query".to_owned()))
    }
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<Listing>> {
    let (filter, page) = (wanted.filter(""), wanted.page());
    Ok(Json(app.store.run(move |store| store.list(&viewer.view, &filter, page)).await?))
}

pub(super) async fn search(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<Listing>> {
    let (filter, page) = (wanted.filter(wanted.query()?), wanted.page());
    Ok(Json(app.store.run(move |store| store.list(&viewer.view, &filter, page)).await?))
}

pub(super) async fn delete_found(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Query(wanted): Query<Wanted>,
) -> Answer<Response> {
    let selection = Selection::Matching(wanted.filter(wanted.query()?));
    app.store.run(move |store| store.delete(&viewer.view, &selection)).await?;
    Ok(ok())
}

/// Without a body, or with empty IDs, all go; a body that cannot be read deletes nothing.
pub(super) async fn delete(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    body: Bytes,
) -> Answer<Response> {
    let ids = if body.trim_ascii().is_empty() { Vec::new() } else { texts(&object(&body)?, "ids")? };
    let selection = if ids.is_empty() { Selection::All } else { Selection::Ids(ids) };
    app.store.run(move |store| store.delete(&viewer.view, &selection)).await?;
    Ok(ok())
}

pub(super) async fn set_read(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Query(wanted): Query<Wanted>,
    body: Bytes,
) -> Answer<Response> {
    let body = object(&body)?;
    let read = match field(&body, "read") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(read)) => *read,
        Some(_) => return Err(Refusal::Bad("Read must be true or false".to_owned())),
    };
    let ids = texts(&body, "ids")?;
    let search = text(&body, "search")?.unwrap_or_default();
    let selection = match (ids.is_empty(), search.trim().is_empty()) {
        (false, false) => return Err(Refusal::Bad("IDs and Search cannot be given together".to_owned())),
        (false, true) => Selection::Ids(ids),
        (true, false) => Selection::Matching(Filter::parse(&search, wanted.tz.as_deref())),
        (true, true) => Selection::All,
    };
    app.store.run(move |store| store.set_read(&viewer.view, &selection, read)).await?;
    Ok(ok())
}

/// The JSON object in a body.
pub(super) fn object(body: &[u8]) -> Answer<Map<String, Value>> {
    serde_json::from_slice(body).map_err(|error| Refusal::Bad(format!("The body is no JSON object: {error}")))
}

/// A field by its name in lower case; the client may spell it in any.
fn field<'x>(body: &'x Map<String, Value>, name: &str) -> Option<&'x Value> {
    body.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A text.
pub(super) fn text(body: &Map<String, Value>, name: &str) -> Answer<Option<String>> {
    match field(body, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::Bad(format!("{name} must be a text"))),
    }
}

/// An array of texts; none when it is missing or null.
pub(super) fn texts(body: &Map<String, Value>, name: &str) -> Answer<Vec<String>> {
    let wrong = || Refusal::Bad(format!("{name} must be an array of texts"));
    match field(body, name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(ToOwned::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

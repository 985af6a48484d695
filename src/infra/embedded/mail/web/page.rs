//! The page for people, and a mail's HTML in a frame that can do nothing.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{
    App,
    answer::{Answer, Refusal},
    guard,
    message::{Which, on_mail, set},
    session::Viewer,
};
use crate::infra::embedded::mail::{
    mime::{Mail, inline_images, with_part_urls},
    store::{Filter, Found},
};

/// How a mail's HTML is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Look {
    query: Option<String>,
    tz: Option<String>,
    /// Images of the mail stand in the page itself: a frame without an origin has no right to fetch them.
    inline: Option<String>,
    /// The person chose to load what the mail points to elsewhere.
    remote: Option<String>,
    embed: Option<String>,
}

/// The one page. It says by itself which mail or search it is about.
pub(super) async fn page(headers: HeaderMap) -> Response {
    let host = guard::host(&headers).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws://{host}; \
         frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut answer = HeaderMap::new();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    set(&mut answer, header::CONTENT_SECURITY_POLICY, &policy);
    (answer, include_str!("page.html")).into_response()
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("page.js")).into_response()
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page.css")).into_response()
}

/// `/view/{ID}`, `/view/{ID}.html`, `/view/{ID}.txt`, `/view/latest`.
pub(super) async fn view(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    Path(name): Path<String>,
    Query(look): Query<Look>,
    request_headers: HeaderMap,
) -> Answer<Response> {
    let which = Which::of(look.query.clone(), look.tz.clone());
    if let Some(id) = name.strip_suffix(".html") {
        return html(&app, &viewer, id.to_owned(), &which, &look).await;
    }
    if let Some(id) = name.strip_suffix(".txt") {
        let text = on_mail(&app, &viewer, id.to_owned(), &which, true, |found| Mail::parse(&found.raw).text()).await?;
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    if name == "latest" {
        let filter = Filter::parse(look.query.as_deref().unwrap_or_default(), look.tz.as_deref());
        let id = app.store.run(move |store| store.latest(&viewer.view, &filter)).await?;
        // Relative, so that it also holds below a session's path.
        return Ok(Redirect::to(&id.unwrap_or_else(|| "../".to_owned())).into_response());
    }
    Ok(page(request_headers).await)
}

async fn html(app: &App, viewer: &Viewer, id: String, which: &Which, look: &Look) -> Answer<Response> {
    let (inline, embed) =
        (is_set(look.inline.as_deref()), is_set(look.embed.as_deref()) || is_set(look.inline.as_deref()));
    let read = move |found: Found| {
        let mail = Mail::parse(&found.raw);
        let html = mail.html();
        if html.is_empty() {
            return None;
        }
        let html = if inline {
            inline_images(&mail, &html)
        } else {
            with_part_urls(&mail, &html, &format!("../api/v1/message/{}/part/", found.item.id))
        };
        // Links of a framed mail open beside the page, not inside the frame.
        let base = if embed { "<base target=\"_blank\">" } else { "" };
        Some(format!("{base}{html}"))
    };
    let html = on_mail(app, viewer, id, which, true, read).await?.ok_or(Refusal::NotFound)?;
    let remote = if is_set(look.remote.as_deref()) { " http: https:" } else { "" };
    let policy = format!(
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'{remote}; \
         img-src 'self' data:{remote}; font-src data:{remote}; media-src data:{remote}; form-action 'none'; \
         frame-ancestors 'self'"
    );
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    set(&mut headers, header::CONTENT_SECURITY_POLICY, &policy);
    Ok((headers, html).into_response())
}

fn is_set(flag: Option<&str>) -> bool {
    flag == Some("1")
}

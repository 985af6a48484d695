//! Who asks: HTTP Basic, or the cookie that `/login` gives.
//!
//! Browsers send a cookie to every port of a host, so one for the path `/` would be handed to every agent's own app on
//! `localhost`. The cookie is therefore bound to a secret path, `/s/<path>/`, which is taken off before routing; an app
//! on another port can neither see nor guess that path. Basic credentials are kept by port and need no such care.

use axum::{
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::App;
use crate::infra::embedded::mail::{ADMIN, store::View, users::Login};

const COOKIE: &str = "agent-harness-mail";

/// The secret path a request came in by.
#[derive(Clone, Debug)]
struct SecretPath(String);

/// Who asks, and what of.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) login: Login,
    pub(super) view: View,
}

#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    mailbox: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Claim {
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    next: Option<String>,
}

/// Takes `/s/<path>` off the front of the request's path.
pub(super) fn enter(mut request: Request<Body>) -> Request<Body> {
    let Some((secret, rest)) = request.uri().path().strip_prefix("/s/").and_then(|rest| rest.split_once('/')) else {
        return request;
    };
    let secret = SecretPath(secret.to_owned());
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let Ok(path) = format!("/{rest}{query}").parse::<PathAndQuery>() else { return request };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(secret);
    }
    request
}

/// Lets nobody in who did not prove who they are.
pub(super) async fn require(
    State(app): State<App>,
    Query(chosen): Query<Chosen>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<SecretPath>().map(|path| path.0.clone());
    let Some(login) = identify(&app, request.headers(), path.as_deref()) else { return unknown() };
    let view = match (login.user.as_str(), chosen.mailbox) {
        (ADMIN, Some(mailbox)) if !mailbox.is_empty() => View::One(mailbox),
        (ADMIN, _) => View::All,
        // Anybody else may name only the box that is theirs anyway.
        (user, Some(mailbox)) if mailbox != user => {
            return super::answer::plain(StatusCode::FORBIDDEN, format!("{user} may see the mailbox {user} only"));
        }
        (user, _) => View::One(user.to_owned()),
    };
    if let View::One(name) = &view
        && !super::super::store::layout::is_box_name(name)
    {
        return super::answer::plain(StatusCode::BAD_REQUEST, "No such mailbox".to_owned());
    }
    request.extensions_mut().insert(Viewer { login, view });
    next.run(request).await
}

fn identify(app: &App, headers: &HeaderMap, path: Option<&str>) -> Option<Login> {
    let users = &app.store.users;
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().ok()?;
        let (scheme, credentials) = text.split_once(' ')?;
        let decoded = STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (user, password) = decoded.split_once(':')?;
        return users.check(user, password);
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = cookies.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    });
    path.and_then(|path| values.find_map(|value| users.check_cookie(path, value)))
}

/// `/login`: checks user and password, gives the cookie, and leads to a URL without them.
pub(super) async fn login(State(app): State<App>, Query(claim): Query<Claim>) -> Response {
    let users = &app.store.users;
    let Some(login) = users.check(&claim.user, &claim.password) else { return unknown() };
    let Some(cookie) = users.cookie(&login) else { return unknown() };
    let next = claim.next.as_deref().filter(|next| is_local(next)).unwrap_or("/");
    let line = format!("{COOKIE}={}; Path=/s/{}/; HttpOnly; SameSite=Lax", cookie.value, cookie.path);
    let target = format!("/s/{}{next}", cookie.path);
    match (HeaderValue::from_str(&line), HeaderValue::from_str(&target)) {
        (Ok(line), Ok(target)) => {
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, line), (header::LOCATION, target)]).into_response()
        }
        _ => unknown(),
    }
}

/// Whether `next` is a path of this service and nothing that a browser takes for another host.
fn is_local(next: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>".contains(&byte);
    next.starts_with('/') && !next.starts_with("//") && next.bytes().all(good)
}

fn unknown() -> Response {
    let headers = [
        (header::WWW_AUTHENTICATE, "Basic realm=\"Mail of the agent harness\", charset=\"UTF-8\""),
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    ];
    (StatusCode::UNAUTHORIZED, headers, include_str!("unknown.html")).into_response()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", true)]
    #[case("/view/latest?query=a%20b", true)]
    #[case("//evil.test", false)]
    #[case("https://evil.test", false)]
    #[case("/\\evil.test", false)]
    #[case("/a\r\nSet-Cookie: x", false)]
    fn next_stays_here(#[case] next: &str, #[case] good: bool) {
        assert_eq!(is_local(next), good);
    }

    #[test]
    fn the_secret_path_is_taken_off() {
        let request = Request::builder().uri("/s/abc/api/v1/messages?limit=1").body(Body::empty()).expect("a request");
        let request = enter(request);
        assert_eq!(request.uri(), "/api/v1/messages?limit=1");
        assert_eq!(request.extensions().get::<SecretPath>().expect("the secret").0, "abc");
    }
}

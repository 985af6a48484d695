//! Who may not ask at all: pages of other origins, and names that another DNS server made up for 127.0.0.1.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::answer::plain;

/// Refuses foreign hosts and origins, and adds to every answer what keeps a browser from guessing.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let Some(host) = host(headers) else {
        return plain(
            StatusCode::FORBIDDEN,
            "This service answers to localhost, 127.0.0.1, [::1] and names under .localhost only".to_owned(),
        );
    };
    if !same_origin(headers, &host) {
        return plain(StatusCode::FORBIDDEN, "Requests of pages from elsewhere are refused".to_owned());
    }
    let mut response = if request.method() == Method::OPTIONS && request.uri().path().starts_with("/api/v1/") {
        StatusCode::OK.into_response()
    } else {
        next.run(request).await
    };
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // A page of another origin may not even load an answer as an image or a script.
    response.headers_mut().insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    if !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
    response
}

/// The `Host`, if it is one that only ever means this machine.
pub(super) fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?.to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &host,
    };
    let label = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let local =
        matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".localhost") && name.bytes().all(label);
    local.then_some(host)
}

fn same_origin(headers: &HeaderMap, host: &str) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("localhost", true)]
    #[case("localhost:18025", true)]
    #[case("127.0.0.1:1", true)]
    #[case("[::1]:1", true)]
    #[case("mail.localhost:1", true)]
    #[case("MAIL.LOCALHOST", true)]
    #[case("evil.test", false)]
    #[case("127.0.0.1.evil.test", false)]
    #[case("evillocalhost", false)]
    #[case("localhost.evil.test:80", false)]
    #[case("a b.localhost", false)]
    #[case("", false)]
    fn only_local_hosts_pass(#[case] value: &str, #[case] good: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(value).expect("a header"));
        assert_eq!(host(&headers).is_some(), good);
    }

    #[rstest]
    #[case("http://localhost:18025", true)]
    #[case("http://localhost:3010", false)]
    #[case("http://localhost", false)]
    #[case("null", false)]
    #[case("", false)]
    fn only_the_own_origin_passes(#[case] origin: &str, #[case] good: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a header"));
        assert_eq!(same_origin(&headers, "localhost:18025"), good);
    }
}

//! Forms: small, and with the login's token.

use http_body_util::{BodyExt as _, Limited};
use hyper::{Request, body::Incoming};

use super::{Refusal, Session, session::same};

/// The largest form: a key and a few words, percent-encoded.
const LARGEST: usize = 64 * 1024;

/// The fields of a form.
pub(super) async fn fields(request: Request<Incoming>) -> Result<Vec<(String, String)>, Refusal> {
    let body = Limited::new(request.into_body(), LARGEST).collect().await.map_err(|_| Refusal::BadRequest)?;
    Ok(url::form_urlencoded::parse(&body.to_bytes()).into_owned().collect())
}

/// The fields of a form of this login.
pub(super) async fn read(request: Request<Incoming>, session: &Session) -> Result<Vec<(String, String)>, Refusal> {
    let fields = fields(request).await?;
    let genuine = fields.iter().any(|(name, value)| name == "token" && same(value, &session.token));
    if genuine { Ok(fields) } else { Err(Refusal::Forbidden) }
}

/// The value of `name` in a request's query.
pub(super) fn query<B>(request: &Request<B>, name: &str) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

//! The object browser on the console port: pages made here, no framework, nothing of an object ever shown as a page.
//!
//! A login lives under a path of its own, `/s/<random>/`, and its cookie is sent to that path only: browsers send a
//! host's cookies to all its ports, so the app of another agent would otherwise receive them.

mod form;
mod objects;
mod page;
mod session;

use std::sync::Arc;

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use s3s::Body;

use super::{error::StorageError, roots::Roots};
use session::{Session, Sessions};

/// See the module.
pub(super) struct Console {
    roots: Arc<Roots>,
    sessions: Sessions,
}

/// Why a request is not answered with a page of its own.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("nothing here")]
    NotFound,
    #[error("not allowed")]
    Forbidden,
    #[error("the request cannot be understood")]
    BadRequest,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the upload failed")]
    Upload(#[from] super::sink::ReceiveError),
}

impl Console {
    pub(super) fn new(roots: Arc<Roots>) -> Self {
        Self { roots, sessions: Sessions::default() }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let mut response = match self.route(request).await {
            Ok(response) => response,
            Err(refusal) => refused(&refusal),
        };
        // An object must never run as a page of ours, whatever its name and content.
        let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::GET, "/") => return Ok(page::html(StatusCode::OK, page::login(None))),
            (&Method::POST, "/login") => return self.login(request).await,
            (&Method::GET, "/console.js") => return Ok(page::script()),
            _ => {}
        }
        let (id, action) = path.strip_prefix("/s/").and_then(|rest| rest.split_once('/')).ok_or(Refusal::NotFound)?;
        let Some(session) = self.sessions.find(id, &request, self.roots.keys()) else {
            return Ok(page::html(StatusCode::FORBIDDEN, page::login(Some("The login has ended."))));
        };
        match (request.method(), action) {
            (&Method::GET, "") => objects::list(&self.roots, &session, &request).await,
            (&Method::GET, "download") => objects::download(&self.roots, &session, &request).await,
            (&Method::PUT, "upload") => objects::upload(&self.roots, &session, request).await,
            (&Method::POST, "delete") => objects::delete(&self.roots, &session, request).await,
            (&Method::POST, "logout") => {
                form::read(request, &session).await?;
                self.sessions.end(id);
                Ok(page::redirect("/", None))
            }
            _ => Err(Refusal::NotFound),
        }
    }

    async fn login(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let fields = form::fields(request).await?;
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (access_key, secret) = (field("access_key").unwrap_or_default(), field("secret_key").unwrap_or_default());
        let key = self.roots.keys().find(access_key.trim());
        match key.filter(|key| session::same(key.secret_key.expose(), secret.trim())) {
            Some(key) => {
                let (session, cookie) = self.sessions.begin(&key);
                Ok(page::redirect(&session.home(), Some(&cookie)))
            }
            None => Ok(page::html(StatusCode::FORBIDDEN, page::login(Some("Access key or secret key is wrong.")))),
        }
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let status = match refusal {
        Refusal::NotFound | Refusal::Storage(StorageError::NoSuchKey) => StatusCode::NOT_FOUND,
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        Refusal::BadRequest => StatusCode::BAD_REQUEST,
        Refusal::Storage(_) | Refusal::Upload(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    page::html(status, page::error(status, &refusal.to_string()))
}

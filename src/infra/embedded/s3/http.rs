//! What lies around s3s: CORS, request ids, headers hidden in presigned URLs, and bodies that nobody read.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Frame, Incoming, SizeHint},
    header::{self, HeaderName, HeaderValue},
};
use s3s::{Body, service::S3Service};

use super::{content::random, cors, roots::Roots, service};
use crate::output::printer::Printer;

/// What is read and thrown away of a body that was refused, so that its sender sees the answer and no reset.
const DRAIN: usize = 8 << 20;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The S3 port.
pub(super) struct S3Http {
    roots: Arc<Roots>,
    service: S3Service,
    printer: Printer,
}

impl S3Http {
    pub(super) fn new(roots: Arc<Roots>, printer: Printer) -> Self {
        Self { service: service::build(Arc::clone(&roots)), roots, printer }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (origin, host) = (text(header::ORIGIN), text(header::HOST));
        let bucket = service::bucket_of(host.as_deref(), parts.uri.path());
        let mut response = if parts.method == Method::OPTIONS {
            self.preflight(&parts.headers, origin.as_deref(), bucket.as_deref()).await
        } else {
            let method = parts.method.clone();
            hoist(&mut parts.headers, parts.uri.query().unwrap_or_default());
            let waits = parts.headers.contains_key(header::EXPECT);
            let body = Shared(Arc::new(Mutex::new(Some(body))));
            let request = Request::from_parts(parts, Body::http_body_unsync(body.clone()));
            let mut response = self.serve(request).await;
            if !waits {
                body.drain().await;
            }
            if let Some(origin) = origin {
                let rules = self.rules(bucket.as_deref()).await;
                response.headers_mut().extend(cors::answer(&rules, &origin, method.as_str()).unwrap_or_default());
            }
            response
        };
        if let Ok(id) = HeaderValue::from_str(&hex::encode_upper(random::<8>())) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        response.headers_mut().insert(header::SERVER, HeaderValue::from_static("agent-harness"));
        response
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        match self.service.call(request).await {
            Ok(response) => response,
            Err(error) => {
                self.printer.tell(format_args!("s3: {error:?}"));
                status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// The CORS rules of a bucket; a bucket that nobody has is as open as one without rules.
    async fn rules(&self, bucket: Option<&str>) -> Vec<cors::Rule> {
        let Some(key) = bucket.and_then(|bucket| self.roots.keys().of_bucket(bucket)) else { return cors::open() };
        let Ok(root) = self.roots.root(&key.access_key).await else { return cors::open() };
        match root.run(|root| root.index().setting(cors::SETTING)).await {
            Ok(rules) => rules.unwrap_or_else(cors::open),
            Err(error) => {
                self.printer.tell(format_args!("s3: {}", error.chain()));
                Vec::new()
            }
        }
    }

    async fn preflight(&self, headers: &HeaderMap, origin: Option<&str>, bucket: Option<&str>) -> Response<Body> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(origin), Some(method)) = (origin, text(header::ACCESS_CONTROL_REQUEST_METHOD)) else {
            return status(StatusCode::BAD_REQUEST);
        };
        let wanted = text(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let wanted: Vec<&str> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let rules = self.rules(bucket).await;
        let Some(mut allowed) = cors::preflight(&rules, origin, method, &wanted) else {
            return status(StatusCode::FORBIDDEN);
        };
        if headers.contains_key("access-control-request-private-network") {
            allowed.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
        }
        let mut response = status(StatusCode::OK);
        *response.headers_mut() = allowed;
        response
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Presigners put headers into the query, where they are signed: metadata, tags, content types. They are made headers
/// again. Digests are left out: today's SDKs sign the digest of an empty body into URLs for bodies they do not know.
fn hoist(headers: &mut HeaderMap, query: &str) {
    if !query.contains("X-Amz-Signature=") {
        return;
    }
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let name = name.to_ascii_lowercase();
        let kept = name.starts_with("x-amz-meta-")
            || ["x-amz-acl", "x-amz-tagging", "x-amz-storage-class", "x-amz-metadata-directive", "x-amz-copy-source"]
                .contains(&name.as_str());
        if let (true, Ok(name), Ok(value)) = (kept, HeaderName::try_from(name), HeaderValue::from_str(&value))
            && !headers.contains_key(&name)
        {
            headers.insert(name, value);
        }
    }
}

/// A request's body that can be taken back when the service is done with it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Incoming>>>);

impl Shared {
    /// Reads what is left, within bounds.
    async fn drain(&self) {
        let Some(mut body) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if body.is_end_stream() {
            return;
        }
        let read = async {
            let mut rest = DRAIN;
            while let Some(Ok(frame)) = body.frame().await {
                rest = rest.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if rest == 0 {
                    break;
                }
            }
        };
        // Whether it ended in time or not: the answer goes out now.
        drop(tokio::time::timeout(DRAIN_TIME, read).await);
    }
}

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match body.as_mut() {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

//! Answers in Mailpit's words: plain text for what is no JSON.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{infra::embedded::mail::MailError, output::printer::Printer};

/// Why a request got no answer of its own.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 400 with a sentence.
    Bad(String),
    /// 404.
    NotFound,
    /// 500; the chain goes to the log only.
    Failed(MailError),
}

pub(super) type Answer<T> = Result<T, Refusal>;

impl From<MailError> for Refusal {
    fn from(error: MailError) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(text) => plain(StatusCode::BAD_REQUEST, text),
            Self::NotFound => plain(StatusCode::NOT_FOUND, "Message not found".to_owned()),
            Self::Failed(error) => {
                let chain = crate::error::Error::from(error).chain();
                Printer::new().tell(format_args!("a request failed: {chain}"));
                plain(StatusCode::INTERNAL_SERVER_ERROR, "The mailbox could not be read; the log says why".to_owned())
            }
        }
    }
}

/// The answer of a change that was made.
pub(super) fn ok() -> Response {
    plain(StatusCode::OK, "ok".to_owned())
}

pub(super) fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

pub(super) async fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "404 page not found".to_owned())
}

pub(super) async fn wrong_method() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed".to_owned())
}

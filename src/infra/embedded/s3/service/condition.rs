//! If-Match and its like.

use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
};
use s3s::{
    S3Error, S3Result,
    dto::{ETagCondition, Timestamp},
    s3_error,
};

use super::get::timestamp;
use crate::infra::embedded::s3::index::{Condition, Exists, Object};

/// The conditions of a read, in one place for GET, HEAD and the source of a copy.
pub(super) struct Conditions {
    pub(super) matching: Option<ETagCondition>,
    pub(super) none_matching: Option<ETagCondition>,
    pub(super) modified_since: Option<Timestamp>,
    pub(super) unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// Whether `object` may be read; 304 and 412 otherwise. As in S3, an `ETag` that matches outweighs the times.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        self.hold(object).map_err(|code| {
            if code == s3s::S3ErrorCode::NotModified { not_modified(object) } else { S3Error::new(code) }
        })
    }

    /// The same for the source of a copy, where there is no 304.
    pub(super) fn check_source(&self, object: &Object) -> S3Result<()> {
        self.hold(object).map_err(|_| s3_error!(PreconditionFailed))
    }

    fn hold(&self, object: &Object) -> Result<(), s3s::S3ErrorCode> {
        let matches = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag,
        };
        // Last-Modified has whole seconds only.
        let modified = timestamp(object.modified / 1000 * 1000);
        match &self.matching {
            Some(condition) if !matches(condition) => return Err(s3s::S3ErrorCode::PreconditionFailed),
            None if self.unmodified_since.as_ref().is_some_and(|time| modified > *time) => {
                return Err(s3s::S3ErrorCode::PreconditionFailed);
            }
            _ => {}
        }
        match &self.none_matching {
            Some(condition) if matches(condition) => Err(s3s::S3ErrorCode::NotModified),
            None if self.modified_since.as_ref().is_some_and(|time| modified <= *time) => {
                Err(s3s::S3ErrorCode::NotModified)
            }
            _ => Ok(()),
        }
    }
}

fn not_modified(object: &Object) -> S3Error {
    let mut error = s3_error!(NotModified);
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", object.etag)) {
        headers.insert(header::ETAG, etag);
    }
    error.set_headers(headers);
    error
}

/// The conditions of a write.
pub(super) fn of_write(if_match: Option<&ETagCondition>, if_none_match: Option<&ETagCondition>) -> S3Result<Condition> {
    let absent = match if_none_match {
        None => false,
        Some(ETagCondition::Any) => true,
        Some(ETagCondition::ETag(_)) => return Err(s3_error!(NotImplemented, "If-None-Match takes * here")),
    };
    let exists = match if_match {
        None => Exists::Any,
        Some(ETagCondition::Any) => Exists::Must,
        Some(ETagCondition::ETag(etag)) => Exists::MustBe(etag.value().to_owned()),
    };
    Ok(Condition { exists, absent })
}

//! `GetObject` and `HeadObject`.

use std::{fs::File, ops::Range, time::Duration};

use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
};
use s3s::{
    S3Error, S3Request, S3Result,
    dto::{ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Timestamp},
    s3_error,
};

use super::{Scope, condition::Conditions, refuse::Refuse as _};
use crate::infra::embedded::s3::{attributes::Checksums, error::StorageError, expiry::Expiry, index::Object, reader};

/// Milliseconds since 1970 in S3's type.
pub(super) fn timestamp(milliseconds: i64) -> Timestamp {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    Timestamp::from(std::time::UNIX_EPOCH + since)
}

/// The object at `key` and its content. The index is held until the content is open, so that it cannot be replaced in
/// between.
pub(super) async fn open(scope: &Scope, key: String, version: Option<&str>) -> S3Result<(Object, File)> {
    if version.is_some_and(|version| version != "null") {
        return Err(s3_error!(NoSuchVersion));
    }
    let days = scope.principal.expire_days;
    let work = scope.root.run(move |root| {
        let index = root.index();
        let expiry = Expiry::read(&index, days)?;
        let object = index.object(&key, &expiry)?.ok_or(StorageError::NoSuchKey)?;
        let file = root.content.open(&object.file)?;
        Ok((object, file))
    });
    work.await.refuse()
}

/// What part of an object is asked for.
struct Wanted {
    range: Range<u64>,
    /// The header of a 206.
    content_range: Option<String>,
    parts_count: Option<i32>,
}

fn wanted(object: &Object, range: Option<s3s::dto::Range>, part: Option<i32>) -> S3Result<Wanted> {
    let size = object.size;
    let shown = |range: &Range<u64>| format!("bytes {}-{}/{size}", range.start, range.end - 1);
    if let Some(part) = part {
        let parts = &object.attributes.parts;
        let number = usize::try_from(part).ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| s3_error!(InvalidArgument, "partNumber must be at least 1"))?;
        if parts.is_empty() && number == 1 {
            return Ok(Wanted { range: 0..size, content_range: None, parts_count: None });
        }
        let length = parts.get(number - 1).ok_or_else(|| unsatisfiable(size))?;
        let start: u64 = parts[..number - 1].iter().sum();
        let range = start..start + length;
        let content_range = (!range.is_empty()).then(|| shown(&range));
        return Ok(Wanted { range, content_range, parts_count: i32::try_from(parts.len()).ok() });
    }
    let Some(range) = range else { return Ok(Wanted { range: 0..size, content_range: None, parts_count: None }) };
    let range = range.check(size).ok().filter(|range| !range.is_empty()).ok_or_else(|| unsatisfiable(size))?;
    Ok(Wanted { content_range: Some(shown(&range)), range, parts_count: None })
}

fn unsatisfiable(size: u64) -> S3Error {
    let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{size}")) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    error.set_headers(headers);
    error
}

pub(super) async fn get(scope: Scope, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
    let input = request.input;
    let (object, file) = open(&scope, input.key, input.version_id.as_deref()).await?;
    let conditions = Conditions {
        matching: input.if_match,
        none_matching: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    let wanted = wanted(&object, input.range, input.part_number)?;
    let length = wanted.range.end - wanted.range.start;
    // Digests are those of the whole object: beside a range they would make clients refuse it.
    let with_sums = input.checksum_mode.is_some() && wanted.content_range.is_none();
    let attributes = object.attributes;
    let sums = if with_sums { attributes.checksums } else { Checksums::default() };
    Ok(GetObjectOutput {
        body: Some(reader::body(file, wanted.range)),
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(length).ok(),
        content_range: wanted.content_range,
        parts_count: wanted.parts_count,
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(timestamp(object.modified)),
        content_type: attributes.content_type.or_else(|| Some("binary/octet-stream".to_owned())),
        cache_control: attributes.cache_control,
        content_disposition: attributes.content_disposition,
        content_encoding: attributes.content_encoding,
        content_language: attributes.content_language,
        expires: attributes.expires.map(|seconds| timestamp(seconds.saturating_mul(1000))),
        metadata: Some(attributes.metadata.into_iter().collect()),
        tag_count: i32::try_from(attributes.tags.len()).ok().filter(|count| *count > 0),
        checksum_type: sums.kind(),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        ..GetObjectOutput::default()
    })
}

pub(super) async fn head(scope: Scope, request: S3Request<HeadObjectInput>) -> S3Result<HeadObjectOutput> {
    let input = request.input;
    let (object, _) = open(&scope, input.key, input.version_id.as_deref()).await?;
    let conditions = Conditions {
        matching: input.if_match,
        none_matching: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    let wanted = wanted(&object, input.range, input.part_number)?;
    let length = wanted.range.end - wanted.range.start;
    let with_sums = input.checksum_mode.is_some() && wanted.content_range.is_none();
    let attributes = object.attributes;
    let sums = if with_sums { attributes.checksums } else { Checksums::default() };
    Ok(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(length).ok(),
        content_range: wanted.content_range,
        parts_count: wanted.parts_count,
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(timestamp(object.modified)),
        content_type: input
            .response_content_type
            .or(attributes.content_type)
            .or_else(|| Some("binary/octet-stream".to_owned())),
        cache_control: input.response_cache_control.or(attributes.cache_control),
        content_disposition: input.response_content_disposition.or(attributes.content_disposition),
        content_encoding: input.response_content_encoding.or(attributes.content_encoding),
        content_language: input.response_content_language.or(attributes.content_language),
        expires: attributes.expires.map(|seconds| timestamp(seconds.saturating_mul(1000))),
        metadata: Some(attributes.metadata.into_iter().collect()),
        checksum_type: sums.kind(),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        ..HeadObjectOutput::default()
    })
}

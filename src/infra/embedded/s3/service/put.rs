//! `PutObject`, and what it shares with the other ways to write.

use std::collections::BTreeMap;

use s3s::{
    S3Request, S3Result,
    dto::{ChecksumAlgorithm, ETag, Metadata, PutObjectInput, PutObjectOutput, Timestamp, TimestampFormat},
    s3_error,
};

use super::{Scope, condition, digest::Announced, refuse::Refuse as _};
use crate::infra::embedded::s3::{
    attributes::Attributes,
    expiry::{self, Expiry},
    index::Object,
    sink,
};

/// The largest body of one request, as in S3.
pub(super) const LARGEST_BODY: u64 = 5 << 30;

/// The longest key in bytes, as in S3.
const LONGEST_KEY: usize = 1024;

/// All user metadata together, as in S3.
const LARGEST_METADATA: usize = 2048;

pub(super) async fn put(scope: Scope, mut request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
    let input = &request.input;
    check_key(&input.key)?;
    if input.content_length.is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > LARGEST_BODY)) {
        return Err(s3_error!(EntityTooLarge));
    }
    let condition = condition::of_write(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let announced = Announced::read(
        &request.headers,
        request.trailing_headers.take(),
        input.content_md5.as_deref(),
        input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str),
    )?;
    let mut attributes = Attributes {
        content_type: input.content_type.clone(),
        cache_control: input.cache_control.clone(),
        content_disposition: input.content_disposition.clone(),
        content_encoding: stored_encoding(input.content_encoding.as_deref()),
        content_language: input.content_language.clone(),
        expires: input.expires.as_ref().map(seconds),
        metadata: metadata(input.metadata.as_ref())?,
        tags: tags(input.tagging.as_deref())?,
        ..Attributes::default()
    };
    let input = request.input;
    let content = scope.root.content.clone();
    let received = sink::receive(content, announced.wanted(), input.body, LARGEST_BODY).await.refuse()?;
    announced.verify(&received)?;
    attributes.checksums = received.checksums.clone();
    let days = scope.principal.expire_days;
    let work = scope.root.run(move |root| {
        let (size, etag) = (received.size, hex::encode(received.md5));
        let new = received.sync()?;
        let file = new.id().clone();
        let object = Object { key: input.key, file, size, etag, modified: expiry::now(), attributes };
        let replaced = {
            let mut index = root.index();
            let expiry = Expiry::read(&index, days)?;
            index.put(&object, &condition, &expiry)?
        };
        new.keep();
        if let Some(replaced) = replaced {
            root.content.remove(&replaced);
        }
        Ok(object)
    });
    let object = work.await.refuse()?;
    let sums = object.attributes.checksums;
    Ok(PutObjectOutput {
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_type: sums.kind(),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        ..PutObjectOutput::default()
    })
}

pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.len() > LONGEST_KEY { Err(s3_error!(KeyTooLongError)) } else { Ok(()) }
}

/// `aws-chunked` says how the body travelled and is not kept.
pub(super) fn stored_encoding(encoding: Option<&str>) -> Option<String> {
    let codings = encoding?.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"));
    let kept = codings.collect::<Vec<_>>().join(",");
    (!kept.is_empty()).then_some(kept)
}

/// Seconds since 1970.
pub(super) fn seconds(timestamp: &Timestamp) -> i64 {
    let mut text = Vec::new();
    let written = timestamp.format(TimestampFormat::EpochSeconds, &mut text).is_ok();
    let text = String::from_utf8(text).unwrap_or_default();
    if written { text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0) } else { 0 }
}

/// The user's metadata, as S3 keeps it.
pub(super) fn metadata(given: Option<&Metadata>) -> S3Result<BTreeMap<String, String>> {
    let kept: BTreeMap<String, String> =
        given.into_iter().flatten().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    let size: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LARGEST_METADATA { Err(s3_error!(MetadataTooLarge)) } else { Ok(kept) }
}

/// The tags of an `x-amz-tagging` header.
pub(super) fn tags(header: Option<&str>) -> S3Result<Vec<(String, String)>> {
    let pairs = url::form_urlencoded::parse(header.unwrap_or_default().as_bytes()).into_owned();
    check_tags(pairs.collect())
}

/// Ten tags at most, each name once, of S3's lengths.
pub(super) fn check_tags(tags: Vec<(String, String)>) -> S3Result<Vec<(String, String)>> {
    let names: std::collections::BTreeSet<&str> = tags.iter().map(|(name, _)| name.as_str()).collect();
    let lengths = |(name, value): &(String, String)| {
        !name.is_empty() && name.chars().count() <= 128 && value.chars().count() <= 256
    };
    if tags.len() <= 10 && names.len() == tags.len() && tags.iter().all(lengths) {
        Ok(tags)
    } else {
        Err(s3_error!(InvalidTag))
    }
}

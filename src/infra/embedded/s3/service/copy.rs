//! `CopyObject` and `UploadPartCopy`. The source must lie in the request's own bucket.

use s3s::{
    S3Request, S3Result,
    dto::{
        CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag, MetadataDirective,
        Range, TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
    },
    s3_error,
};

use super::{Scope, condition::Conditions, get, multipart, put, refuse::Refuse as _};
use crate::infra::embedded::s3::{attributes::Attributes, copy, multipart::store_part, reader, sink};

fn version(source: &CopySource) -> Option<&str> {
    match source {
        CopySource::Bucket { version_id, .. } => version_id.as_deref(),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => None,
    }
}

pub(super) async fn object(scope: Scope, request: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
    let input = request.input;
    let source_key = scope.principal.source_key(&input.copy_source)?;
    put::check_key(&input.key)?;
    let (source, _) = get::open(&scope, source_key, version(&input.copy_source)).await?;
    let conditions = Conditions {
        matching: input.copy_source_if_match,
        none_matching: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    conditions.check_source(&source)?;
    let replaces = |directive: Option<&str>| directive.is_some_and(|directive| directive == "REPLACE");
    let replace = replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str));
    let replace_tags = replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str));
    if source.key == input.key && !replace && !replace_tags {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing anything."
        ));
    }
    let before = source.attributes.clone();
    let mut attributes = before.clone();
    if replace {
        attributes = Attributes {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: put::stored_encoding(input.content_encoding.as_deref()),
            content_language: input.content_language,
            expires: input.expires.as_ref().map(put::seconds),
            metadata: put::metadata(input.metadata.as_ref())?,
            tags: before.tags,
            checksums: before.checksums,
            parts: before.parts,
        };
    }
    if replace_tags {
        attributes.tags = put::tags(input.tagging.as_deref())?;
    }
    let key = input.key;
    let work = scope.root.run(move |root| copy::copy(root, &source, key, attributes));
    let object = work.await.refuse()?;
    let sums = object.attributes.checksums;
    let result = CopyObjectResult {
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(get::timestamp(object.modified)),
        checksum_type: sums.kind(),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
    };
    Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
}

pub(super) async fn part(scope: Scope, request: S3Request<UploadPartCopyInput>) -> S3Result<UploadPartCopyOutput> {
    let input = request.input;
    let source_key = scope.principal.source_key(&input.copy_source)?;
    multipart::check_number(input.part_number)?;
    let upload = multipart::find(&scope, input.upload_id, input.key).await?;
    let (source, file) = get::open(&scope, source_key, version(&input.copy_source)).await?;
    let conditions = Conditions {
        matching: input.copy_source_if_match,
        none_matching: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    conditions.check_source(&source)?;
    let range = match input.copy_source_range {
        None => 0..source.size,
        Some(text) => {
            let parsed =
                Range::parse(&text).map_err(|_| s3_error!(InvalidArgument, "x-amz-copy-source-range is wrong"))?;
            match parsed {
                Range::Int { first, last: Some(last) } if last < source.size => first..last + 1,
                _ => return Err(s3_error!(InvalidRange, "x-amz-copy-source-range lies outside of the source")),
            }
        }
    };
    let content = scope.root.content.clone();
    let wanted = vec![upload.spec.effective()];
    let received = sink::receive(content, wanted, Some(reader::body(file, range)), put::LARGEST_BODY).await.refuse()?;
    let number = input.part_number;
    let part = scope.root.run(move |root| store_part(root, &upload, number, received)).await.refuse()?;
    let result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(get::timestamp(part.modified)),
        checksum_crc32: part.checksums.crc32,
        checksum_crc32c: part.checksums.crc32c,
        checksum_crc64nvme: part.checksums.crc64nvme,
        checksum_sha1: part.checksums.sha1,
        checksum_sha256: part.checksums.sha256,
    };
    Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}

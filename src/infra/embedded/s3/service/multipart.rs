//! The operations of uploads in parts.

use s3s::{
    S3Request, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
        CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, ETag, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
        ListPartsInput, ListPartsOutput, MultipartUpload, Part, StorageClass, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};

use super::{Scope, bucket, condition, digest::Announced, get::timestamp, list::Spelling, put, refuse::Refuse as _};
use crate::infra::embedded::s3::{
    attributes::{Algorithm, Attributes, Checksums},
    content::random,
    expiry::{self, Expiry},
    multipart::{self, Named, Spec, Upload},
    sink,
};

pub(super) fn check_number(number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&number) {
        Ok(())
    } else {
        Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
    }
}

pub(super) async fn find(scope: &Scope, id: String, key: String) -> S3Result<Upload> {
    scope.root.run(move |root| root.index().upload(&id, &key)).await.refuse()
}

pub(super) async fn create(
    scope: Scope,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<CreateMultipartUploadOutput> {
    let input = request.input;
    put::check_key(&input.key)?;
    let algorithm = input.checksum_algorithm.as_ref().map(|name| {
        Algorithm::parse(name.as_str()).ok_or_else(|| s3_error!(InvalidRequest, "Checksum algorithm is unknown"))
    });
    let algorithm = algorithm.transpose()?;
    let full_object = input.checksum_type.as_ref().is_some_and(|kind| kind.as_str() == ChecksumType::FULL_OBJECT);
    if full_object && matches!(algorithm, Some(Algorithm::Sha1 | Algorithm::Sha256)) {
        return Err(s3_error!(InvalidRequest, "The FULL_OBJECT checksum type cannot be used with SHA algorithms"));
    }
    let attributes = Attributes {
        content_type: input.content_type,
        cache_control: input.cache_control,
        content_disposition: input.content_disposition,
        content_encoding: put::stored_encoding(input.content_encoding.as_deref()),
        content_language: input.content_language,
        expires: input.expires.as_ref().map(put::seconds),
        metadata: put::metadata(input.metadata.as_ref())?,
        tags: put::tags(input.tagging.as_deref())?,
        ..Attributes::default()
    };
    let upload = Upload {
        id: hex::encode(random::<24>()),
        key: input.key,
        started: expiry::now(),
        spec: Spec { attributes, algorithm, full_object },
    };
    let noted = upload.clone();
    scope.root.run(move |root| root.index().create_upload(&noted)).await.refuse()?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(scope.principal.bucket),
        key: Some(upload.key),
        upload_id: Some(upload.id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: input.checksum_type,
        ..CreateMultipartUploadOutput::default()
    })
}

pub(super) async fn part(scope: Scope, mut request: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
    let trailers = request.trailing_headers.take();
    let input = request.input;
    check_number(input.part_number)?;
    if input.content_length.is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > put::LARGEST_BODY)) {
        return Err(s3_error!(EntityTooLarge));
    }
    let upload = find(&scope, input.upload_id, input.key).await?;
    let named = input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str);
    let announced = Announced::read(&request.headers, trailers, input.content_md5.as_deref(), named)?;
    let mut wanted = announced.wanted();
    wanted.push(upload.spec.effective());
    let content = scope.root.content.clone();
    let received = sink::receive(content, wanted, input.body, put::LARGEST_BODY).await.refuse()?;
    announced.verify(&received)?;
    let number = input.part_number;
    let part = scope.root.run(move |root| multipart::store_part(root, &upload, number, received)).await.refuse()?;
    Ok(UploadPartOutput {
        e_tag: Some(ETag::Strong(part.etag)),
        checksum_crc32: part.checksums.crc32,
        checksum_crc32c: part.checksums.crc32c,
        checksum_crc64nvme: part.checksums.crc64nvme,
        checksum_sha1: part.checksums.sha1,
        checksum_sha256: part.checksums.sha256,
        ..UploadPartOutput::default()
    })
}

pub(super) async fn complete(
    scope: Scope,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let input = request.input;
    let condition = condition::of_write(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if parts.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let named: Vec<Named> = parts
        .into_iter()
        .map(|part| Named {
            number: part.part_number.unwrap_or(0),
            etag: part.e_tag.map(ETag::into_value),
            checksums: Checksums {
                crc32: part.checksum_crc32,
                crc32c: part.checksum_crc32c,
                crc64nvme: part.checksum_crc64nvme,
                sha1: part.checksum_sha1,
                sha256: part.checksum_sha256,
                composite: false,
            },
        })
        .collect();
    let given = Checksums {
        crc32: input.checksum_crc32,
        crc32c: input.checksum_crc32c,
        crc64nvme: input.checksum_crc64nvme,
        sha1: input.checksum_sha1,
        sha256: input.checksum_sha256,
        composite: false,
    };
    let upload = find(&scope, input.upload_id, input.key).await?;
    let days = scope.principal.expire_days;
    let work = scope.root.run(move |root| {
        let expiry = Expiry::read(&root.index(), days)?;
        multipart::complete(root, &upload, &named, &given, &condition, &expiry)
    });
    let object = work.await.refuse()?;
    let sums = object.attributes.checksums;
    Ok(CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", scope.principal.bucket, object.key)),
        bucket: Some(scope.principal.bucket),
        key: Some(object.key),
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_type: sums.kind(),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        ..CompleteMultipartUploadOutput::default()
    })
}

pub(super) async fn abort(
    scope: Scope,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<AbortMultipartUploadOutput> {
    let upload = find(&scope, request.input.upload_id, request.input.key).await?;
    let work = scope.root.run(move |root| {
        let files = root.index().drop_upload(&upload.id)?;
        for file in files {
            root.content.remove(&file);
        }
        Ok(())
    });
    work.await.refuse()?;
    Ok(AbortMultipartUploadOutput::default())
}

pub(super) async fn list_parts(scope: Scope, request: S3Request<ListPartsInput>) -> S3Result<ListPartsOutput> {
    let input = request.input;
    let upload = find(&scope, input.upload_id, input.key).await?;
    let (after, max_parts) = (input.part_number_marker.unwrap_or(0), input.max_parts.unwrap_or(1000).clamp(0, 1000));
    let limit = usize::try_from(max_parts).unwrap_or(0);
    let id = upload.id.clone();
    let mut parts = scope.root.run(move |root| root.index().parts(&id, after, limit + 1)).await.refuse()?;
    let truncated = parts.len() > limit;
    parts.truncate(limit);
    let owner = bucket::owner(&scope);
    Ok(ListPartsOutput {
        bucket: Some(scope.principal.bucket),
        key: Some(upload.key),
        upload_id: Some(upload.id),
        part_number_marker: Some(after),
        next_part_number_marker: parts.last().map(|part| part.number),
        max_parts: Some(max_parts),
        is_truncated: Some(truncated),
        initiator: Some(Initiator { display_name: owner.display_name.clone(), id: owner.id.clone() }),
        owner: Some(owner),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        parts: Some(
            parts
                .into_iter()
                .map(|part| Part {
                    part_number: Some(part.number),
                    size: i64::try_from(part.size).ok(),
                    e_tag: Some(ETag::Strong(part.etag)),
                    last_modified: Some(timestamp(part.modified)),
                    checksum_crc32: part.checksums.crc32,
                    checksum_crc32c: part.checksums.crc32c,
                    checksum_crc64nvme: part.checksums.crc64nvme,
                    checksum_sha1: part.checksums.sha1,
                    checksum_sha256: part.checksums.sha256,
                })
                .collect(),
        ),
        ..ListPartsOutput::default()
    })
}

pub(super) async fn list_uploads(
    scope: Scope,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<ListMultipartUploadsOutput> {
    let input = request.input;
    let spelling = Spelling::new(input.encoding_type.as_ref())?;
    let prefix = input.prefix.unwrap_or_default();
    let max_uploads = input.max_uploads.unwrap_or(1000).clamp(0, 1000);
    let limit = usize::try_from(max_uploads).unwrap_or(0);
    let (key_marker, id_marker) = (input.key_marker.unwrap_or_default(), input.upload_id_marker.unwrap_or_default());
    let all = scope.root.run(|root| root.index().uploads()).await.refuse()?;
    let start = all.iter().position(|upload| !id_marker.is_empty() && upload.id == id_marker).map(|at| at + 1);
    let rest = all.into_iter().enumerate().filter(|(at, upload)| {
        let later = match start {
            Some(start) => *at >= start,
            None => upload.key > key_marker || key_marker.is_empty(),
        };
        later && upload.key.starts_with(&prefix)
    });
    let mut uploads: Vec<Upload> = rest.map(|(_, upload)| upload).take(limit + 1).collect();
    let truncated = uploads.len() > limit;
    uploads.truncate(limit);
    let last = uploads.last().filter(|_| truncated).map(|upload| (spelling.spell(&upload.key), upload.id.clone()));
    let (next_key, next_id) = last.unzip();
    let owner = bucket::owner(&scope);
    let initiator = Initiator { display_name: owner.display_name.clone(), id: owner.id.clone() };
    let shown = uploads.into_iter().map(|upload| MultipartUpload {
        key: Some(spelling.spell(&upload.key)),
        upload_id: Some(upload.id),
        initiated: Some(timestamp(upload.started)),
        owner: Some(owner.clone()),
        initiator: Some(initiator.clone()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..MultipartUpload::default()
    });
    Ok(ListMultipartUploadsOutput {
        bucket: Some(scope.principal.bucket),
        prefix: Some(spelling.spell(&prefix)),
        key_marker: Some(spelling.spell(&key_marker)),
        upload_id_marker: Some(id_marker),
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        max_uploads: Some(max_uploads),
        is_truncated: Some(truncated),
        uploads: Some(shown.collect()),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}

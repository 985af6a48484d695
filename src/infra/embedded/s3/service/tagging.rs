//! Tags of objects: kept and given back.

use s3s::{
    S3Request, S3Result,
    dto::{
        DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
        PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
    },
};

use super::{Scope, put::check_tags, refuse::Refuse as _};
use crate::infra::embedded::s3::{error::StorageError, expiry::Expiry};

pub(super) async fn get(scope: Scope, request: S3Request<GetObjectTaggingInput>) -> S3Result<GetObjectTaggingOutput> {
    let (object, _) = super::get::open(&scope, request.input.key, request.input.version_id.as_deref()).await?;
    let tags = object.attributes.tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) });
    Ok(GetObjectTaggingOutput { tag_set: tags.collect(), version_id: None })
}

async fn replace(scope: &Scope, key: String, tags: Vec<(String, String)>) -> S3Result<()> {
    let days = scope.principal.expire_days;
    let work = scope.root.run(move |root| {
        let mut index = root.index();
        let expiry = Expiry::read(&index, days)?;
        let mut object = index.object(&key, &expiry)?.ok_or(StorageError::NoSuchKey)?;
        object.attributes.tags = tags;
        index.set_attributes(&key, &object.attributes)
    });
    work.await.refuse()
}

pub(super) async fn put(scope: Scope, request: S3Request<PutObjectTaggingInput>) -> S3Result<PutObjectTaggingOutput> {
    let tags = request.input.tagging.tag_set.into_iter();
    let tags = tags.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect();
    replace(&scope, request.input.key, check_tags(tags)?).await?;
    Ok(PutObjectTaggingOutput::default())
}

pub(super) async fn delete(
    scope: Scope,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<DeleteObjectTaggingOutput> {
    replace(&scope, request.input.key, Vec::new()).await?;
    Ok(DeleteObjectTaggingOutput::default())
}

//! `DeleteObject` and `DeleteObjects`. What is not there is deleted already.

use s3s::{
    S3Request, S3Result,
    dto::{Delete, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject},
    s3_error,
};

use super::{Scope, refuse::Refuse as _};
use crate::infra::embedded::s3::{error::StorageError, expiry::Expiry};

async fn remove(scope: &Scope, keys: Vec<String>) -> S3Result<()> {
    let work = scope.root.run(move |root| {
        let files = root.index().delete(&keys)?;
        for file in files {
            root.content.remove(&file);
        }
        Ok(())
    });
    work.await.refuse()
}

pub(super) async fn one(scope: Scope, request: S3Request<DeleteObjectInput>) -> S3Result<DeleteObjectOutput> {
    let input = request.input;
    if let Some(condition) = input.if_match {
        let (key, days) = (input.key.clone(), scope.principal.expire_days);
        let work = scope.root.run(move |root| {
            let index = root.index();
            let object = index.object(&key, &Expiry::read(&index, days)?)?.ok_or(StorageError::NoSuchKey)?;
            let matches = condition.as_etag().is_none_or(|etag| etag.value() == object.etag);
            if matches { Ok(()) } else { Err(StorageError::PreconditionFailed) }
        });
        work.await.refuse()?;
    }
    remove(&scope, vec![input.key]).await?;
    Ok(DeleteObjectOutput::default())
}

pub(super) async fn many(scope: Scope, request: S3Request<DeleteObjectsInput>) -> S3Result<DeleteObjectsOutput> {
    let Delete { objects, quiet } = request.input.delete;
    if objects.is_empty() || objects.len() > 1000 {
        return Err(s3_error!(MalformedXML));
    }
    let keys: Vec<String> = objects.into_iter().map(|object| object.key).collect();
    remove(&scope, keys.clone()).await?;
    let deleted = keys.into_iter().map(|key| DeletedObject { key: Some(key), ..DeletedObject::default() });
    let deleted = (!quiet.unwrap_or(false)).then(|| deleted.collect());
    Ok(DeleteObjectsOutput { deleted, ..DeleteObjectsOutput::default() })
}

//! The one bucket of a key. It is there as soon as the key is; deleted, it can be created again.

use std::future::{Ready, ready};

use s3s::{
    S3Request, S3Result,
    dto::{
        Bucket, CreateBucketInput, CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
        GetBucketLocationOutput, GetBucketVersioningInput, GetBucketVersioningOutput, HeadBucketInput,
        HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner,
    },
};

use super::{Scope, refuse::Refuse as _};
use crate::infra::embedded::s3::{expiry, roots::Root};

/// Setting with the time at which the bucket was created, in milliseconds since 1970.
const CREATED: &str = "created";

pub(super) async fn list(scope: Scope, _: S3Request<ListBucketsInput>) -> S3Result<ListBucketsOutput> {
    let facts = scope.root.run(|root| {
        let mut index = root.index();
        let created = if let Some(created) = index.setting::<i64>(CREATED)? {
            created
        } else {
            let now = expiry::now();
            index.set(CREATED, Some(&now))?;
            now
        };
        Ok((index.is_deleted()?, created))
    });
    let (deleted, created) = facts.await.refuse()?;
    let bucket = Bucket {
        name: Some(scope.principal.bucket.clone()),
        creation_date: Some(super::get::timestamp(created)),
        ..Bucket::default()
    };
    Ok(ListBucketsOutput {
        buckets: Some(if deleted { Vec::new() } else { vec![bucket] }),
        owner: Some(owner(&scope)),
        ..ListBucketsOutput::default()
    })
}

/// The owner of everything in the scope's bucket.
pub(super) fn owner(scope: &Scope) -> Owner {
    let name = scope.principal.access_key.clone();
    Owner { display_name: Some(name.clone()), id: Some(name) }
}

pub(super) fn head(_: Scope, _: S3Request<HeadBucketInput>) -> Ready<S3Result<HeadBucketOutput>> {
    ready(Ok(HeadBucketOutput::default()))
}

pub(super) async fn create(scope: Scope, request: S3Request<CreateBucketInput>) -> S3Result<CreateBucketOutput> {
    // As in us-east-1, creating what one has already is no error.
    let work = scope.root.run(Root::create_bucket);
    work.await.refuse()?;
    Ok(CreateBucketOutput { location: Some(format!("/{}", request.input.bucket)) })
}

pub(super) async fn delete(scope: Scope, _: S3Request<DeleteBucketInput>) -> S3Result<DeleteBucketOutput> {
    let days = scope.principal.expire_days;
    let work = scope.root.run(move |root| {
        expiry::purge(root, days)?;
        root.delete_bucket()
    });
    work.await.refuse()?;
    Ok(DeleteBucketOutput::default())
}

pub(super) fn location(_: Scope, _: S3Request<GetBucketLocationInput>) -> Ready<S3Result<GetBucketLocationOutput>> {
    ready(Ok(GetBucketLocationOutput::default()))
}

pub(super) fn versioning(
    _: Scope,
    _: S3Request<GetBucketVersioningInput>,
) -> Ready<S3Result<GetBucketVersioningOutput>> {
    // Never enabled: an answer without a status.
    ready(Ok(GetBucketVersioningOutput::default()))
}

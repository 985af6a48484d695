//! The S3 trait of s3s: which function answers which operation. What is not named here answers 501.

mod access;
mod bucket;
mod condition;
mod configuration;
mod copy;
mod delete;
mod digest;
mod get;
mod list;
mod multipart;
mod put;
mod refuse;
mod tagging;

use std::sync::Arc;

use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput,
        CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketCorsInput, DeleteBucketCorsOutput,
        DeleteBucketInput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketOutput,
        DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput, DeleteObjectsInput,
        DeleteObjectsOutput, GetBucketCorsInput, GetBucketCorsOutput, GetBucketLifecycleConfigurationInput,
        GetBucketLifecycleConfigurationOutput, GetBucketLocationInput, GetBucketLocationOutput,
        GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput, GetObjectOutput, GetObjectTaggingInput,
        GetObjectTaggingOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
        ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput,
        ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutBucketCorsInput,
        PutBucketCorsOutput, PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
        PutObjectInput, PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput, UploadPartCopyInput,
        UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};

use access::Principal;
pub(super) use access::{bucket_of, build};
use refuse::Refuse as _;

use super::roots::{Root, Roots};

/// See the module.
pub(super) struct Service {
    roots: Arc<Roots>,
}

/// What every operation works on: the root of the request's key.
struct Scope {
    principal: Principal,
    root: Arc<Root>,
}

impl Service {
    pub(super) const fn new(roots: Arc<Roots>) -> Self {
        Self { roots }
    }

    /// The root of the request's key, whether or not its bucket was deleted.
    async fn any_scope<T>(&self, request: &S3Request<T>) -> S3Result<Scope> {
        let principal = request.extensions.get::<Principal>().cloned().ok_or_else(|| s3_error!(AccessDenied))?;
        let root = self.roots.root(&principal.access_key).await.refuse()?;
        Ok(Scope { principal, root })
    }

    /// The root of the request's key with its bucket.
    async fn scope<T>(&self, request: &S3Request<T>) -> S3Result<Scope> {
        let scope = self.any_scope(request).await?;
        if scope.root.is_deleted() { Err(s3_error!(NoSuchBucket)) } else { Ok(scope) }
    }
}

/// One method of the trait: which function answers it and with which scope.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident = $scope:ident $answer:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(
                async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    let scope = self.$scope(&request).await?;
                    $answer(scope, request).await.map(S3Response::new)
                }
            )*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = any_scope bucket::list;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = scope bucket::head;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = any_scope bucket::create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = scope bucket::delete;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = scope bucket::location;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = scope bucket::versioning;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = scope configuration::get_cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = scope configuration::put_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = scope configuration::delete_cors;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput = scope configuration::get_lifecycle;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput = scope configuration::put_lifecycle;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput)
        -> DeleteBucketLifecycleOutput = scope configuration::delete_lifecycle;
    list_objects(ListObjectsInput) -> ListObjectsOutput = scope list::version_1;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = scope list::version_2;
    put_object(PutObjectInput) -> PutObjectOutput = scope put::put;
    head_object(HeadObjectInput) -> HeadObjectOutput = scope get::head;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = scope delete::one;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = scope delete::many;
    copy_object(CopyObjectInput) -> CopyObjectOutput = scope copy::object;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = scope tagging::get;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = scope tagging::put;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = scope tagging::delete;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = scope multipart::create;
    upload_part(UploadPartInput) -> UploadPartOutput = scope multipart::part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = scope copy::part;
    complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput = scope multipart::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = scope multipart::abort;
    list_parts(ListPartsInput) -> ListPartsOutput = scope multipart::list_parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = scope multipart::list_uploads;
    get_object(GetObjectInput) -> GetObjectOutput = scope get::get;
}

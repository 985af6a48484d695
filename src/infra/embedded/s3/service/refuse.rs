//! Failures of storage in the words of S3. What is no fault of the request is logged.

use s3s::{S3Error, S3Result, s3_error};

use crate::{
    infra::embedded::s3::{error::StorageError, sink::ReceiveError},
    output::printer::Printer,
};

/// Turns a storage result into one of S3.
pub(super) trait Refuse<T> {
    fn refuse(self) -> S3Result<T>;
}

impl<T> Refuse<T> for Result<T, StorageError> {
    fn refuse(self) -> S3Result<T> {
        self.map_err(|error| storage(&error))
    }
}

impl<T> Refuse<T> for Result<T, ReceiveError> {
    fn refuse(self) -> S3Result<T> {
        self.map_err(|error| match error {
            ReceiveError::Storage(error) => storage(&error),
            ReceiveError::TooLarge(limit) => s3_error!(EntityTooLarge, "The upload is larger than {limit} bytes"),
            ReceiveError::Body(error) => broken(&error),
        })
    }
}

fn storage(error: &StorageError) -> S3Error {
    match error {
        StorageError::NoSuchKey => s3_error!(NoSuchKey, "The specified key does not exist."),
        StorageError::NoSuchBucket => s3_error!(NoSuchBucket),
        StorageError::BucketNotEmpty => s3_error!(BucketNotEmpty),
        StorageError::NoSuchUpload => s3_error!(NoSuchUpload),
        StorageError::PreconditionFailed => s3_error!(PreconditionFailed),
        StorageError::InvalidPart(_) => s3_error!(InvalidPart, "{error}"),
        StorageError::InvalidPartOrder => s3_error!(InvalidPartOrder),
        StorageError::PartTooSmall(_) => s3_error!(EntityTooSmall, "{error}"),
        StorageError::BadDigest => s3_error!(BadDigest),
        StorageError::TooLarge => s3_error!(EntityTooLarge),
        StorageError::Io { .. } | StorageError::Index(_) | StorageError::Unreadable(_) | StorageError::Worker(_) => {
            Printer::new().tell(format_args!("s3: {}", error.chain()));
            s3_error!(InternalError)
        }
    }
}

/// A body that s3s found wrong while it was read. Its error types are private: their texts tell them apart.
fn broken(error: &s3s::StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let code = s3s::S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut error = S3Error::with_message(code, "The provided x-amz-content-sha256 is not that of the body");
        error.set_status_code(hyper::StatusCode::BAD_REQUEST);
        return error;
    }
    if text.contains("SignatureMismatch") {
        return s3_error!(SignatureDoesNotMatch);
    }
    s3_error!(IncompleteBody)
}

//! `serve s3`: the S3 protocol by s3s, storage of our own.

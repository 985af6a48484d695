//! `serve s3` against real S3 clients.

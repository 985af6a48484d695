//! An agent's S3 key and bucket.

//! Receives a body into a content file, in bounded memory and with its digests; the event loop only moves bytes.

use std::{fs::File, io::Write as _};

use bytes::Bytes;
use futures_util::StreamExt as _;
use md5::{Digest as _, Md5};
use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256},
    dto::StreamingBlob,
};

use super::{
    attributes::{Algorithm, Checksums},
    content::{Content, NewFile},
    error::StorageError,
};

/// Bytes collected before they are hashed and written in a worker thread.
const BATCH: usize = 256 * 1024;

/// A body on disk that no index names yet.
#[derive(Debug)]
pub(crate) struct Received {
    new: NewFile,
    file: File,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) checksums: Checksums,
}

/// Why a body was not received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the body broke off")]
    Body(#[source] s3s::StdError),
}

struct Sink {
    new: NewFile,
    file: File,
    size: u64,
    md5: Md5,
    hasher: ChecksumHasher,
}

impl Sink {
    fn create(content: &Content, wanted: &[Algorithm]) -> Result<Self, StorageError> {
        let (new, file) = content.create()?;
        let wants = |algorithm| wanted.contains(&algorithm);
        let hasher = ChecksumHasher {
            crc32: wants(Algorithm::Crc32).then(Crc32::new),
            crc32c: wants(Algorithm::Crc32c).then(Crc32c::new),
            crc64nvme: wants(Algorithm::Crc64nvme).then(Crc64Nvme::new),
            sha1: wants(Algorithm::Sha1).then(Sha1::new),
            sha256: wants(Algorithm::Sha256).then(Sha256::new),
        };
        Ok(Self { new, file, size: 0, md5: Md5::new(), hasher })
    }

    fn write(&mut self, batch: &[Bytes]) -> Result<(), StorageError> {
        for bytes in batch {
            self.md5.update(bytes);
            self.hasher.update(bytes);
            self.file.write_all(bytes).map_err(StorageError::io("write", "a content file"))?;
            self.size += bytes.len() as u64;
        }
        Ok(())
    }

    fn finish(self) -> Received {
        let checksums = Checksums::from(self.hasher.finalize());
        Received { new: self.new, file: self.file, size: self.size, md5: self.md5.finalize().into(), checksums }
    }
}

impl Received {
    /// Makes content and name durable. What is not committed to an index afterwards is removed again.
    pub(crate) fn sync(self) -> Result<NewFile, StorageError> {
        self.file.sync_all().map_err(StorageError::io("sync", "a content file"))?;
        self.new.sync_directory()?;
        Ok(self.new)
    }
}

/// Receives `body`, at most `limit` bytes of it, and computes the digests `wanted`.
pub(crate) async fn receive(
    content: Content,
    wanted: Vec<Algorithm>,
    body: Option<StreamingBlob>,
    limit: u64,
) -> Result<Received, ReceiveError> {
    let mut sink = None;
    let mut body = body;
    loop {
        let mut batch = Vec::new();
        let mut length = 0;
        let ended = loop {
            let Some(stream) = &mut body else { break true };
            match stream.next().await {
                Some(Ok(bytes)) => {
                    length += bytes.len();
                    batch.push(bytes);
                }
                Some(Err(error)) => return Err(ReceiveError::Body(error)),
                None => break true,
            }
            if length >= BATCH {
                break false;
            }
        };
        let (content, wanted) = (content.clone(), wanted.clone());
        let before = sink.take();
        let written = tokio::task::spawn_blocking(move || {
            let mut sink = before.map_or_else(|| Sink::create(&content, &wanted), Ok)?;
            sink.write(&batch)?;
            Ok::<_, StorageError>(sink)
        });
        let written = written.await.map_err(StorageError::Worker)??;
        if written.size > limit {
            return Err(ReceiveError::TooLarge(limit));
        }
        if ended {
            return Ok(written.finish());
        }
        sink = Some(written);
    }
}

//! A content file, or a range of it, as a body: one batch at a time, read in a worker thread.

use std::{
    fs::File,
    future::Future as _,
    ops::Range,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use s3s::{
    StdError,
    dto::StreamingBlob,
    stream::{ByteStream, RemainingLength},
};
use tokio::task::JoinHandle;

/// Bytes of one read.
const BATCH: u64 = 256 * 1024;

struct Reader {
    file: Arc<File>,
    rest: Range<u64>,
    pending: Option<JoinHandle<std::io::Result<Bytes>>>,
}

/// The bytes `range` of `file` as a body.
pub(crate) fn body(file: File, range: Range<u64>) -> StreamingBlob {
    StreamingBlob::new(Reader { file: Arc::new(file), rest: range, pending: None })
}

impl Stream for Reader {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let (file, start) = (Arc::clone(&self.file), self.rest.start);
        let length = usize::try_from((self.rest.end - start).min(BATCH)).unwrap_or(usize::MAX);
        let pending = self.pending.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                let mut buffer = vec![0; length];
                file.read_exact_at(&mut buffer, start)?;
                Ok(Bytes::from(buffer))
            })
        });
        let read = std::task::ready!(Pin::new(pending).poll(context));
        self.pending = None;
        Poll::Ready(Some(match read {
            Ok(Ok(bytes)) => {
                self.rest.start += bytes.len() as u64;
                Ok(bytes)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }))
    }
}

impl ByteStream for Reader {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.rest.end - self.rest.start)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

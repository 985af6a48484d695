//! Reads lines and raw bytes from a connection through one buffer, so that input sent ahead is never lost or mistaken.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::infra::embedded::mail::limits;

/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;

/// A line of input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The line with its end.
    Whole(Vec<u8>),
    /// It was longer than allowed; all of it was thrown away.
    TooLong,
    /// The client closed the connection.
    End,
}

/// The input of a connection.
#[derive(Debug)]
pub(super) struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Input<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new() }
    }

    /// The next line, of at most `limit` bytes.
    ///
    /// # Errors
    /// When the connection fails or is idle for [`limits::IDLE`].
    pub(super) async fn line(&mut self, limit: usize) -> io::Result<Line> {
        let (mut looked, mut too_long) = (0, false);
        loop {
            if let Some(position) = memchr::memchr(b'\n', &self.buffer[looked..]) {
                let line: Vec<u8> = self.buffer.drain(..=looked + position).collect();
                self.shrink();
                return Ok(if too_long || line.len() > limit { Line::TooLong } else { Line::Whole(line) });
            }
            looked = self.buffer.len();
            if looked > limit {
                too_long = true;
                self.buffer.clear();
                looked = 0;
            }
            if !self.fill().await? {
                return Ok(Line::End);
            }
        }
    }

    /// What has come in, waiting for something if there is nothing; empty at the end. [`Self::consume`] what was used.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub(super) async fn bytes(&mut self) -> io::Result<&[u8]> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        Ok(&self.buffer)
    }

    /// Forgets the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.buffer.drain(..count);
        self.shrink();
    }

    async fn fill(&mut self) -> io::Result<bool> {
        // Little at first: most connections only ever say a few short lines.
        let want = if self.buffer.capacity() >= CHUNK { CHUNK } else { 4 * 1024 + self.buffer.capacity() * 2 };
        self.buffer.reserve(want);
        match tokio::time::timeout(limits::IDLE, self.reader.read_buf(&mut self.buffer)).await {
            Ok(count) => Ok(count? > 0),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn shrink(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > CHUNK * 4 {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_long_ones_are_thrown_away() {
        let long = format!("{}\r\nNOOP\r\nrest", "x".repeat(70_000));
        let mut input = Input::new(long.as_bytes());
        assert_eq!(input.line(2048).await.expect("input"), Line::TooLong);
        assert_eq!(input.line(2048).await.expect("input"), Line::Whole(b"NOOP\r\n".to_vec()));
        assert_eq!(input.line(2048).await.expect("input"), Line::End);
    }
}

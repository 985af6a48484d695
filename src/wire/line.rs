//! Lines of bounded length over a stream.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::protocol::MAX_LINE;

/// Reads JSON values, one a line. A line that is longer than [`MAX_LINE`] is an error, so that nobody can make the
/// reader's memory grow.
#[derive(Debug)]
pub struct LineReader<R> {
    stream: R,
    buffer: Vec<u8>,
    searched: usize,
}

/// What a line was.
#[derive(Debug)]
pub enum Line<T> {
    /// A value.
    Value(T),
    /// No value: why.
    Malformed(String),
    /// The other side closed; a last line without an end is no line.
    End,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads from `stream`.
    pub const fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new(), searched: 0 }
    }

    /// The next line. May be dropped while it waits: nothing that was read is lost.
    ///
    /// # Errors
    /// When reading fails or a line is too long.
    pub async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Line<T>> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                let line = match serde_json::from_slice(&self.buffer[..end]) {
                    Ok(value) => Line::Value(value),
                    Err(error) => Line::Malformed(error.to_string()),
                };
                self.buffer.drain(..=end);
                self.searched = 0;
                // A long answer is rare: its memory is not kept.
                self.buffer.shrink_to(4096);
                return Ok(line);
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > MAX_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(Line::End);
            }
        }
    }
}

/// Writes `value` as one line.
///
/// # Errors
/// When writing fails.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8]) -> Vec<String> {
        let mut reader = LineReader::new(input);
        let mut seen = Vec::new();
        loop {
            match reader.next::<u32>().await {
                Ok(Line::Value(value)) => seen.push(value.to_string()),
                Ok(Line::Malformed(_)) => seen.push("malformed".to_owned()),
                Ok(Line::End) => return seen,
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
    }

    #[tokio::test]
    async fn lines_of_any_kind() {
        assert_eq!(all(b"1\n22\n").await, ["1", "22"]);
        assert_eq!(all(b"1\n\xff\xfe\n{}\n\n2\n").await, ["1", "malformed", "malformed", "malformed", "2"]);
        assert_eq!(all(b"1\n2").await, ["1"], "half a line is none");
        assert_eq!(all(&vec![b'1'; MAX_LINE + 8192]).await, ["a line is too long"]);
    }
}

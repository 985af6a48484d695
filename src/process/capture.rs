//! Collects a child's output, bounded: a runaway command must not take the harness's memory.

use std::io::{self, Read as _, Seek as _};

use camino::Utf8Path;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes kept of one stream: the last ones, where errors stand.
const KEPT: usize = 4 * 1024 * 1024;

/// Reads `stream` to its end and keeps its last bytes as text (invalid UTF-8 replaced).
///
/// # Errors
/// When reading fails.
pub async fn collect(stream: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok(String::new()) };
    loop {
        let read = stream.read_buf(&mut kept).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
}

/// The last `lines` lines of the file at `path`, of at most its last 64 KiB.
///
/// # Errors
/// When it cannot be read.
pub fn tail_of_file(path: &Utf8Path, lines: usize) -> io::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(size.saturating_sub(64 * 1024)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].join("\n"))
}

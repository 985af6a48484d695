//! Asks a server on this machine whether it answers: by TCP, or by a GET.
//!
//! Written out by hand because it runs in every supervisor, where an HTTP client would cost more memory than all the
//! rest. Asks loopback only; what it is given is not to be reached from elsewhere.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::{Host, Url};

/// How long an answer may take when the caller has no reason for another limit.
pub const LIMIT: Duration = Duration::from_secs(2);

/// Bytes of status line and headers that are read before an answer is given up as no HTTP.
const HEAD: usize = 32 * 1024;
/// How much of a body is read, and how long it may take, so that a server does not see its answer cut off.
const BODY: (u64, Duration) = (64 * 1024, Duration::from_millis(50));

/// The answer of an HTTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, 100 to 599; below 400 in what [`http`] returns.
    pub status: u16,
    /// Where it answered.
    pub address: SocketAddr,
    /// From the first attempt to connect until the status was there.
    pub took: Duration,
}

/// Why there was no good answer, as one line.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nobody listens.
    #[error("connection refused")]
    Refused,
    /// The server took too long.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The server answered with a status of 400 or above.
    #[error("{0}")]
    Status(u16),
    /// The server closed the connection before it answered.
    #[error("connection closed without an answer")]
    Closed,
    /// What came back is not HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// The URL is not `http://` on this machine.
    #[error("{0} is not an http URL on this machine")]
    NotLoopback(String),
    /// Anything else the kernel said.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Whether somebody accepts connections on `port`, on 127.0.0.1 or else on `[::1]`; returns the address that did.
///
/// # Errors
/// When nobody does within `limit`.
pub async fn tcp(port: u16, limit: Duration) -> Result<IpAddr, ProbeError> {
    let (_, address) = within(limit, connect(&LOOPBACK, port)).await?;
    Ok(address.ip())
}

/// Whether a GET of `url` is answered with a status below 400. `localhost` and names below it mean 127.0.0.1, or
/// else `[::1]`. Redirects are answers and are not followed.
///
/// # Errors
/// When the URL is not `http://` on loopback, nobody answers within `limit`, or the status is 400 or above.
pub async fn http(url: &str, limit: Duration) -> Result<Answer, ProbeError> {
    let answer = get(url, limit).await?;
    if answer.status >= 400 { Err(ProbeError::Status(answer.status)) } else { Ok(answer) }
}

/// As [`http`], but every status is an answer.
///
/// # Errors
/// When the URL is not `http://` on loopback or nobody answers within `limit`.
pub async fn get(url: &str, limit: Duration) -> Result<Answer, ProbeError> {
    let target = Target::parse(url).ok_or_else(|| ProbeError::NotLoopback(url.to_owned()))?;
    within(limit, target.get()).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, ProbeError>>) -> Result<T, ProbeError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ProbeError::TimedOut(limit)))
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The first of `addresses` that accepts. A refusal of loopback is immediate, so they are asked in turn.
async fn connect(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, SocketAddr), ProbeError> {
    let mut first = None;
    for &address in addresses {
        let address = SocketAddr::new(address, port);
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.map_or(ProbeError::Refused, ProbeError::from))
}

/// Where a URL leads, and what to send there.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    addresses: Vec<IpAddr>,
    port: u16,
    request: String,
}

impl Target {
    fn parse(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
        let addresses = match url.host()? {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => LOOPBACK.to_vec(),
            Host::Domain(_) => return None,
        };
        if !addresses.iter().all(IpAddr::is_loopback) {
            return None;
        }
        let path = url.path();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let host = url.host_str()?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let request = format!(
            "GET {path}{query} HTTP/1.1\r\nHost: {authority}\r\nAccept: */*\r\nUser-Agent: agent-harness\r\nConnection: close\r\n\r\n"
        );
        Some(Self { addresses, port: url.port_or_known_default()?, request })
    }

    async fn get(&self) -> Result<Answer, ProbeError> {
        let start = Instant::now();
        let (mut stream, address) = connect(&self.addresses, self.port).await?;
        stream.write_all(self.request.as_bytes()).await?;
        let mut head = Vec::with_capacity(1024);
        let status = loop {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(if head.is_empty() { ProbeError::Closed } else { ProbeError::NotHttp });
            }
            match status(&head) {
                Status::Is(status) => break status,
                Status::More if head.len() < HEAD => {}
                Status::More | Status::Not => return Err(ProbeError::NotHttp),
            }
        };
        let answer = Answer { status, address, took: start.elapsed() };
        let (mut body, mut sink) = (stream.take(BODY.0), tokio::io::sink());
        // The status is all that was asked for: how the body ends is of no interest.
        drop(tokio::time::timeout(BODY.1, tokio::io::copy(&mut body, &mut sink)).await);
        Ok(answer)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Status {
    Is(u16),
    More,
    Not,
}

/// The status in the head of an answer; interim answers (100, 103) are passed over.
fn status(head: &[u8]) -> Status {
    let mut rest = head;
    loop {
        let start = &rest[..rest.len().min(5)];
        if !b"HTTP/".starts_with(start) {
            return Status::Not;
        }
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else { return Status::More };
        let line = String::from_utf8_lossy(&rest[..end]);
        let code = line.split_ascii_whitespace().nth(1).filter(|code| code.len() == 3);
        match code.and_then(|code| code.parse().ok()) {
            Some(100..=199) => {}
            Some(code @ 200..=599) => return Status::Is(code),
            _ => return Status::Not,
        }
        let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") else { return Status::More };
        rest = &rest[end + 4..];
        if rest.is_empty() {
            return Status::More;
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("HTTP/1.1 200 OK\r\n", Status::Is(200))]
    #[case("HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\nbody", Status::Is(503))]
    #[case("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n", Status::Is(204))]
    #[case("HTTP/1.1 100 Continue\r\n\r\n", Status::More)]
    #[case("HTT", Status::More)]
    #[case("HTTP/1.1 20", Status::More)]
    #[case("SSH-2.0-OpenSSH\r\n", Status::Not)]
    #[case("HTTP/1.1 abc\r\n", Status::Not)]
    #[case("HTTP/1.1 0200 x\r\n", Status::Not)]
    fn status_of_a_head(#[case] head: &str, #[case] expected: Status) {
        assert_eq!(status(head.as_bytes()), expected);
    }

    #[rstest]
    #[case("http://127.0.0.1:80/a?b=c", true)]
    #[case("http://localhost:3010", true)]
    #[case("http://agent-1.localhost:3010/", true)]
    #[case("http://[::1]:3010/", true)]
    #[case("https://localhost/", false)]
    #[case("http://10.0.0.1/", false)]
    #[case("http://example.org/", false)]
    #[case("http://localhost.example.org/", false)]
    #[case("localhost:3010", false)]
    fn only_loopback_is_asked(#[case] url: &str, #[case] allowed: bool) {
        assert_eq!(Target::parse(url).is_some(), allowed);
    }

    #[test]
    fn the_request_names_host_port_path_and_query() {
        let target = Target::parse("http://agent-1.localhost:3010/api/v1/health?x=1").expect("a target");
        assert!(target.request.starts_with("GET /api/v1/health?x=1 HTTP/1.1\r\nHost: agent-1.localhost:3010\r\n"));
        assert_eq!(target.port, 3010);
        assert_eq!(target.addresses.len(), 2);
    }
}

//! The HTTP side: who may come in, what is told, and one session an accepted WebSocket.

use std::{convert::Infallible, fs::File, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use camino::Utf8Path;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, frame::coding::CloseCode},
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    BrowserError,
    bridge::{self, Ended},
    chromium::{Chromium, Recipe},
    leftovers, peer,
    probe::{Probe, probe},
    request::SessionRequest,
    sessions::{Place, Sessions},
};
use crate::{config::environment::Environment, error::Error, output::printer::Printer};

/// Connections at once, whatever they want.
const MOST_CONNECTIONS: usize = 256;
/// A client that has connected must ask for something within this time.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// A client that was let in must take the WebSocket within this time.
const UPGRADE_LIMIT: Duration = Duration::from_secs(10);

/// How many sessions there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At once.
    pub sessions: usize,
    /// Requests that may wait for a place.
    pub queue: usize,
    /// How long one waits.
    pub patience: Duration,
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    shared: Arc<Shared>,
    _lock: File,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    recipe: Recipe,
    browser: Probe,
    sessions: Sessions,
    running: TaskTracker,
    stop: CancellationToken,
    printer: Printer,
}

type Answer = Response<Full<Bytes>>;

impl Gateway {
    /// Takes over `root`, finds out whether `program` works, and listens on 127.0.0.1:`port`.
    ///
    /// # Errors
    /// When the port or the directory is taken or the browser does not work.
    pub async fn open(
        root: &Utf8Path,
        port: u16,
        program: &Utf8Path,
        limits: Limits,
        env: &Environment,
        printer: Printer,
    ) -> Result<Self, BrowserError> {
        let listen = |source| BrowserError::Listen { port, source };
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let lock = leftovers::take_over(root).await?;
        let browser = probe(program, root, env, &root.join("probe.json")).await?;
        let sandbox =
            if browser.sandbox { "with its sandbox" } else { "without its sandbox, which does not work here" };
        printer.tell(format_args!("{} {sandbox}", browser.product));
        let recipe = Recipe::new(program, root, env, browser.sandbox);
        let sessions = Sessions::new(limits.sessions, limits.queue, limits.patience);
        let (running, stop) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self {
            listener,
            shared: Arc::new(Shared { port, recipe, browser, sessions, running, stop, printer }),
            _lock: lock,
        })
    }

    /// Serves until `stop` is cancelled, then ends all sessions and returns when nothing of them is left.
    pub async fn serve(self, stop: CancellationToken) {
        let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: those of ending sessions come back.
                    self.shared.printer.tell(format_args!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.answer(request, peer).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_LIMIT)
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                // A client that breaks off is the client's affair.
                drop(connection.await);
                drop(permit);
            });
        }
        self.shared.stop.cancel();
        self.shared.running.close();
        self.shared.running.wait().await;
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        if let Err(why) = may_come_in(request.headers()) {
            return text(StatusCode::FORBIDDEN, why);
        }
        if is_websocket(request.headers()) {
            return self.open_session(request, peer).await;
        }
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path().trim_end_matches('/') {
            "/json/version" => self.version(request.headers()),
            // Pages belong to sessions, and only a session's own client sees them.
            "/json" | "/json/list" => json_answer(&json!([])),
            "/pressure" => self.pressure(),
            "" | "/livez" | "/readyz" | "/healthz" => text(StatusCode::OK, "ok\n"),
            "/active" => text(StatusCode::NO_CONTENT, ""),
            _ => text(StatusCode::NOT_FOUND, "a WebSocket at any path opens a session\n"),
        }
    }

    fn version(&self, headers: &HeaderMap) -> Answer {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        json_answer(&json!({
            "Browser": self.browser.product,
            "Protocol-Version": self.browser.protocol,
            "User-Agent": self.browser.user_agent,
            "V8-Version": self.browser.js,
            "webSocketDebuggerUrl": format!("ws://{host}"),
        }))
    }

    fn pressure(&self) -> Answer {
        let sessions = &self.sessions;
        json_answer(&json!({"pressure": {
            "isAvailable": sessions.running() < sessions.most() || sessions.waiting() < sessions.most_waiting(),
            "running": sessions.running(),
            "queued": sessions.waiting(),
            "maxConcurrent": sessions.most(),
            "maxQueued": sessions.most_waiting(),
        }}))
    }

    async fn open_session(self: Arc<Self>, mut request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let Some(accept) = accept_key(&request) else {
            return text(StatusCode::BAD_REQUEST, "not a WebSocket handshake of version 13\n");
        };
        if let Some(user) = peer::stranger(peer, self.port) {
            self.printer.tell(format_args!("refused user {user}"));
            return text(StatusCode::FORBIDDEN, "the browser runs as another user and would show that user's files\n");
        }
        let session = match SessionRequest::of_query(request.uri().query().unwrap_or_default()) {
            Ok(session) => session,
            Err(error) => return text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
        };
        let place = match self.sessions.take().await {
            Ok(place) => place,
            Err(error) => {
                self.printer.tell(format_args!("refused a session: {error}"));
                let mut answer = text(StatusCode::TOO_MANY_REQUESTS, &format!("{error}\n"));
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                return answer;
            }
        };
        for argument in &session.dropped {
            self.printer.tell(format_args!("dropped the launch argument {argument:?}, which is not allowed"));
        }
        let started = match self.recipe.start(&session.args) {
            Ok(started) => started,
            Err(error) => {
                let why = Error::from(error).chain();
                self.printer.tell(&why);
                return text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{why}\n"));
            }
        };
        let upgrade = hyper::upgrade::on(&mut request);
        self.running.spawn(Arc::clone(&self).run_session(started, upgrade, session.timeout, place));
        let mut answer = text(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = answer.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        answer
    }

    async fn run_session(
        self: Arc<Self>,
        (mut chromium, to, from): (Chromium, tokio::net::unix::pipe::Sender, tokio::net::unix::pipe::Receiver),
        upgrade: OnUpgrade,
        timeout: Duration,
        place: Place,
    ) {
        let pid = chromium.pid();
        self.printer.tell(format_args!(
            "session {pid} begins, {} of {}",
            self.sessions.running(),
            self.sessions.most()
        ));
        let why = match tokio::time::timeout(UPGRADE_LIMIT, upgrade).await {
            Ok(Ok(upgraded)) => {
                let io = TokioIo::new(upgraded);
                let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(bridge::config())).await;
                let ended = bridge::carry(&mut socket, to, from, timeout, &self.stop).await;
                let (code, why) = describe(ended, timeout, &mut chromium).await;
                bridge::farewell(&mut socket, code, &why).await;
                why
            }
            Ok(Err(_)) | Err(_) => "the client did not come in".to_owned(),
        };
        self.printer.tell(format_args!("session {pid} ends: {why}"));
        if let Err(error) = chromium.end().await {
            self.printer.tell(Error::from(error).chain());
        }
        drop(place);
    }
}

/// The code and the reason that the client is told.
async fn describe(ended: Ended, timeout: Duration, chromium: &mut Chromium) -> (CloseCode, String) {
    match ended {
        Ended::Client => (CloseCode::Normal, "the client left".to_owned()),
        Ended::Protocol(why) => (CloseCode::Unsupported, why.to_owned()),
        Ended::TimedOut => (CloseCode::Policy, format!("time-out of {} ms", timeout.as_millis())),
        Ended::Stopped => (CloseCode::Away, "the gateway is stopped".to_owned()),
        Ended::Browser => {
            // Its pipe is closed, so its end is a matter of moments; if it hangs, it is killed next.
            let ending = tokio::time::timeout(Duration::from_secs(1), chromium.ended()).await;
            let status = ending.unwrap_or_else(|_| "closed its pipe".to_owned());
            if status == "exit status: 0" {
                return (CloseCode::Normal, "the browser was closed".to_owned());
            }
            let words = chromium.last_words();
            let last = words.lines().last().unwrap_or_default();
            (CloseCode::Error, format!("the browser crashed ({status}) {last}").trim_end().to_owned())
        }
    }
}

/// Clients of ours are programs on this machine. A page in somebody's browser always sends its origin with a WebSocket,
/// and one that had a name of its own resolved to 127.0.0.1 is known by the host it names.
fn may_come_in(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(header::ORIGIN) {
        return Err("web pages may not drive this browser\n");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_loopback(host) { Ok(()) } else { Err("the Host header names no loopback address\n") }
}

fn is_loopback(host: &str) -> bool {
    let Ok(url) = url::Url::parse(&format!("http://{host}/")) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn accept_key(request: &Request<Incoming>) -> Option<HeaderValue> {
    let headers = request.headers();
    let version = headers.get(header::SEC_WEBSOCKET_VERSION)?;
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    if request.method() != Method::GET || version != "13" {
        return None;
    }
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

fn text(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}

fn json_answer(value: &serde_json::Value) -> Answer {
    let mut answer = text(StatusCode::OK, &format!("{value}\n"));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:13001", true)]
    #[case("localhost:13001", true)]
    #[case("agent-1.localhost", true)]
    #[case("[::1]:13001", true)]
    #[case("evil.example", false)]
    #[case("localhost.evil.example", false)]
    #[case("127.0.0.1.evil.example:1", false)]
    #[case("10.0.0.7:13001", false)]
    #[case("evil.example@localhost.x", false)]
    #[case("", false)]
    fn only_loopback_hosts_come_in(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_loopback(host), expected);
    }
}

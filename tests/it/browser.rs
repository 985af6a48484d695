//! `serve browser` with real clients and real browsers.

mod server;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use agent_harness::infra::obtain::{BrowserBinary, Origin};
use futures_util::{SinkExt as _, StreamExt as _};
use rstest::rstest;
use rustix::process::{Pid, Signal};
use server::{DEADLINE, Server, preferred, whole};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, protocol::frame::coding::CloseCode},
};

use crate::world::{World, tools, wait::pause};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// A session in which the browser has answered.
async fn session(server: &Server, rest: &str) -> Socket {
    let (mut socket, _) = connect_async(server.address(rest)).await.expect("a session");
    let answer = ask(&mut socket, "Browser.getVersion", "{}").await;
    assert!(answer.contains("protocolVersion"), "{answer}");
    socket
}

async fn ask(socket: &mut Socket, method: &str, params: &str) -> String {
    let message = format!(r#"{{"id":7,"method":"{method}","params":{params}}}"#);
    socket.send(Message::text(message)).await.expect("a socket that takes messages");
    loop {
        match socket.next().await.expect("an answer").expect("no error") {
            Message::Text(text) if text.contains(r#""id":7"#) => return text.to_string(),
            Message::Close(why) => panic!("closed: {why:?}"),
            _ => {}
        }
    }
}

/// The frame that closes the session.
async fn closed(socket: &mut Socket) -> (CloseCode, String) {
    let frame = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Message::Close(Some(frame)) = socket.next().await.expect("a frame").expect("no error") {
                return frame;
            }
        }
    });
    let frame = frame.await.expect("closed in time");
    (frame.code, frame.reason.to_string())
}

/// The status and the body of an HTTP answer to a WebSocket handshake that was refused.
async fn refused(server: &Server, rest: &str) -> (u16, String) {
    match connect_async(server.address(rest)).await {
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            (answer.status().as_u16(), String::from_utf8_lossy(body).into_owned())
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// The status line of an answer to these request headers.
fn raw(server: &Server, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    // One that was let in would stay open.
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
    write!(stream, "GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[rstest]
#[case::preferred(preferred())]
#[case::whole(whole())]
fn playwright_and_puppeteer_work_in_every_form(#[case] browser: BrowserBinary) {
    let world = World::new();
    let mut server = Server::start(&world, &browser, &["--max-sessions", "2"]);
    let modules = tools::npm("browser");
    let script = world.path("clients.mjs");
    let source = format!("{}/tests/it/fixtures/browser/clients.mjs", env!("CARGO_MANIFEST_DIR"));
    fs_err::copy(source, &script).expect("the script");
    std::os::unix::fs::symlink(modules.join("node_modules"), world.path("node_modules")).expect("a link");
    let mut node = Command::new("node");
    node.args([script.as_str(), &server.port.to_string()]);
    let output = node.output().expect("node is missing: install it with apt-get install nodejs");
    let (answer, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(answer.trim(), "ok", "{errors}\n{}", server.log());
    server.nothing_left(&server.below(), Duration::from_secs(5));
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn beyond_the_cap_a_request_waits_and_beyond_the_queue_it_is_told_to_come_again() {
    let (world, browser) = (World::new(), preferred());
    let limits = ["--max-sessions", "1", "--max-queued", "1", "--queue-seconds", "20"];
    let server = Server::start(&world, &browser, &limits);
    run(async {
        let mut first = session(&server, "").await;
        let second = session(&server, "");
        let work = async {
            while !pressure(&server).contains(r#""queued":1"#) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let (status, why) = refused(&server, "/x").await;
            assert_eq!((status, why.trim()), (429, "1 sessions run and 1 wait"));
            first.close(None).await.expect("a socket that can be closed");
        };
        let (mut second, ()) = tokio::join!(second, work);
        second.close(None).await.expect("a socket that can be closed");
    });
}

fn pressure(server: &Server) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    write!(stream, "GET /pressure HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn waiting_ends_and_a_waiting_client_that_leaves_frees_its_place_in_the_queue() {
    let (world, browser) = (World::new(), preferred());
    let limits = ["--max-sessions", "1", "--max-queued", "1", "--queue-seconds", "1"];
    let server = Server::start(&world, &browser, &limits);
    run(async {
        let first = session(&server, "").await;
        let left = tokio::time::timeout(Duration::from_millis(200), connect_async(server.address(""))).await;
        assert!(left.is_err(), "it waited");
        let began = Instant::now();
        let (status, why) = refused(&server, "").await;
        assert_eq!((status, why.trim()), (429, "1 sessions run and none ended within 1 s"));
        assert!(began.elapsed() >= Duration::from_secs(1), "it was in the queue and not refused at once");
        drop(first);
    });
}

#[test]
fn a_session_ends_when_its_time_is_up() {
    let (world, browser) = (World::new(), preferred());
    let server = Server::start(&world, &browser, &["--max-sessions", "1"]);
    run(async {
        let mut socket = session(&server, "/?timeout=700").await;
        let seen = server.below();
        assert_eq!(closed(&mut socket).await, (CloseCode::Policy, "time-out of 700 ms".to_owned()));
        server.nothing_left(&seen, DEADLINE);
    });
}

#[test]
fn a_client_that_is_gone_takes_its_browser_with_it() {
    let (world, browser) = (World::new(), preferred());
    let server = Server::start(&world, &browser, &["--max-sessions", "1"]);
    run(async {
        let mut socket = session(&server, "").await;
        let page = r#"{"url":"data:text/html,<p>a renderer of its own"}"#;
        ask(&mut socket, "Target.createTarget", page).await;
        let seen = server.below();
        assert!(seen.len() > 2, "a browser is more than one process: {seen:?}");
        // No farewell: the connection just breaks.
        drop(socket);
        server.nothing_left(&seen, DEADLINE);
    });
}

#[test]
fn a_crash_is_told_and_leaves_nothing() {
    let (world, browser) = (World::new(), preferred());
    let server = Server::start(&world, &browser, &["--max-sessions", "1"]);
    run(async {
        let mut socket = session(&server, "").await;
        let seen = server.below();
        let [leader] = server.browsers()[..] else { panic!("one browser") };
        rustix::process::kill_process(Pid::from_raw(leader.cast_signed()).expect("a pid"), Signal::SEGV)
            .expect("the browser can be signalled");
        let (code, why) = closed(&mut socket).await;
        assert_eq!(code, CloseCode::Error);
        assert!(why.starts_with("the browser crashed (signal: 11"), "{why}");
        server.nothing_left(&seen, DEADLINE);
        let mut socket = session(&server, "").await;
        let closing = Message::text(r#"{"id":1,"method":"Browser.close"}"#);
        socket.send(closing).await.expect("a socket that takes messages");
        assert_eq!(closed(&mut socket).await, (CloseCode::Normal, "the browser was closed".to_owned()));
    });
}

#[test]
fn a_killed_gateway_leaves_nothing_once_it_runs_again() {
    let (world, browser) = (World::new(), preferred());
    let mut server = Server::start(&world, &browser, &["--max-sessions", "1"]);
    let seen = run(async {
        let socket = session(&server, "").await;
        let seen = server.below();
        server.signal(Signal::KILL);
        drop(socket);
        seen
    });
    server.ended();
    // A browser that survived, as one would whose parent's death it was not told of.
    let flag = format!("--user-data-dir={}/profiles/session-x/user", server.root);
    let script = "import signal; signal.alarm(60); signal.pause()";
    let mut survivor = spawn(Command::new("python3").args(["-c", script, &flag]));
    // Its command line is to be seen a moment after it was started only.
    let deadline = Instant::now() + DEADLINE;
    while !fs_err::read(format!("/proc/{}/cmdline", survivor.id())).expect("a child").ends_with(b"/user\0") {
        assert!(Instant::now() < deadline, "the survivor does not run");
        pause();
    }
    assert!(!server.profiles().is_empty(), "there is something to remove");
    let again = Server::start(&world, &browser, &["--max-sessions", "1"]);
    again.nothing_left(&seen, DEADLINE);
    let status = survivor.wait().expect("a child");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    run(async { drop(session(&again, "").await) });
}

#[expect(clippy::disallowed_methods, reason = "a program of the test's own, which ends by itself")]
fn spawn(command: &mut Command) -> std::process::Child {
    command.spawn().expect("python3 is missing: install it with apt-get install python3")
}

#[test]
fn sigterm_ends_sessions_and_leaves_nothing() {
    let (world, browser) = (World::new(), preferred());
    let mut server = Server::start(&world, &browser, &["--max-sessions", "2"]);
    run(async {
        let (mut one, _two) = tokio::join!(session(&server, ""), session(&server, ""));
        let seen = server.below();
        server.signal(Signal::TERM);
        assert_eq!(closed(&mut one).await, (CloseCode::Away, "the gateway is stopped".to_owned()));
        assert_eq!(server.ended().code(), Some(0));
        server.nothing_left(&seen, Duration::ZERO);
    });
}

#[test]
fn launch_arguments_are_taken_from_a_list_and_profiles_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let (world, browser) = (World::new(), preferred());
    let server = Server::start(&world, &browser, &["--max-sessions", "1"]);
    let asked = [
        "--window-size=500,400",
        "--renderer-cmd-prefix=touch /tmp/x",
        "--load-extension=/tmp",
        "--user-data-dir=/tmp",
        "--remote-debugging-port=1",
    ];
    let launch = serde_json::json!({"args": asked}).to_string();
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("launch", &launch).finish();
    run(async {
        let socket = session(&server, &format!("/?{query}")).await;
        let [leader] = server.browsers()[..] else { panic!("one browser") };
        let line = fs_err::read_to_string(format!("/proc/{leader}/cmdline")).expect("a command line");
        // Chromium writes it anew, with spaces between the arguments.
        let given = line.replace('\0', " ");
        assert!(given.contains(&format!(" {} ", asked[0])), "{given}");
        for argument in &asked[1..] {
            assert!(!given.contains(&format!(" {argument} ")), "{argument} was given");
            assert!(server.log().contains(&format!("dropped the launch argument {argument:?}")), "{}", server.log());
        }
        assert_eq!(given.matches("--user-data-dir=").count(), 1);
        assert!(!given.contains("--remote-debugging-port"));
        let profile = server.root.join("profiles").join(&server.profiles()[0]);
        assert_eq!(profile.metadata().expect("a profile").permissions().mode() & 0o777, 0o700);
        drop(socket);
        for (query, why) in [
            ("launch=%7B", "launch is neither JSON nor JSON in base64"),
            ("launch=%5B%5D", "launch is not a JSON object"),
            ("launch=%7B%22args%22%3A7%7D", "launch.args is not a list of texts"),
            ("timeout=x", "timeout is not a number of milliseconds"),
        ] {
            let (status, body) = refused(&server, &format!("/?{query}")).await;
            assert_eq!((status, body.trim()), (400, why));
        }
    });
}

#[test]
fn web_pages_do_not_come_in() {
    let (world, browser) = (World::new(), preferred());
    let server = Server::start(&world, &browser, &["--max-sessions", "1"]);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (path, headers, status) in [
        ("/", format!("Host: localhost\r\nOrigin: http://localhost:3010\r\n{upgrade}"), "403"),
        ("/", format!("Host: localhost\r\nOrigin: null\r\n{upgrade}"), "403"),
        ("/", format!("Host: rebound.example\r\n{upgrade}"), "403"),
        ("/json/version", "Host: rebound.example\r\n".to_owned(), "403"),
        ("/json/version", "Host: localhost\r\n".to_owned(), "200"),
        ("/livez", "Host: 127.0.0.1\r\n".to_owned(), "200"),
        ("/json/list/", "Host: [::1]:13001\r\n".to_owned(), "200"),
        ("/nowhere", "Host: localhost\r\n".to_owned(), "404"),
    ] {
        let answer = raw(&server, path, &headers);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{path} {headers}: {answer}");
    }
    assert!(server.browsers().is_empty());
}

#[test]
fn what_stops_it_from_starting_is_said() {
    let (world, browser) = (World::new(), preferred());
    let server = Server::start(&world, &browser, &["--max-sessions", "1"]);
    let attempt = |mut command: Command| {
        let output = command.output().expect("the gateway");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (taken, ..) = Server::command(&world, &browser, &["--max-sessions", "1"]);
    let (code, said) = attempt(taken);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{}", server.port)), "{said}");

    let other_port = world.ports.at(6).to_string();
    let args = ["serve", "browser", "--root", server.root.as_str(), "--port", &other_port, "--max-sessions", "1"];
    let mut same_root = world.harness(args);
    same_root.args(["--chromium", browser.path.as_str()]).envs(&browser.env);
    let (code, said) = attempt(same_root);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("another browser gateway uses"), "{said}");

    let elsewhere = world.path("elsewhere");
    let args = ["serve", "browser", "--root", elsewhere.as_str(), "--port", &other_port, "--max-sessions", "1"];
    let mut no_browser = world.harness(args);
    no_browser.args(["--chromium", "/bin/false"]);
    let (code, said) = attempt(no_browser);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("/bin/false does not work"), "{said}");
}

#[test]
fn the_harness_prefers_a_headless_shell() {
    let found = preferred();
    if std::env::consts::ARCH == "x86_64" && found.origin == Origin::Obtained {
        assert!(found.version.starts_with("HeadlessChrome/153."), "{found:?}");
    }
}

//! `serve mail`: real SMTP clients, Mailpit's own npm client, a real browser, crashes and hostile input.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use agent_harness::{
    config::paths::Paths,
    resource::mailbox::{self, Credentials},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::world::{World, tools};

const DEADLINE: Duration = Duration::from_secs(30);

/// A running mail service. Dropped, it is killed.
struct Service {
    world: World,
    child: Child,
    log: mpsc::Receiver<String>,
}

impl Service {
    fn start() -> Self {
        let world = World::new();
        let (child, log) = Self::spawn(&world);
        Self { world, child, log }
    }

    #[expect(clippy::disallowed_methods, reason = "the service under test is a child of the test")]
    fn spawn(world: &World) -> (Child, mpsc::Receiver<String>) {
        let (smtp, web) = (world.ports.at(4).to_string(), world.ports.at(5).to_string());
        let root = world.path("state/infra/mail");
        let mut child = world
            .harness(["serve", "mail", "--root", root.as_str(), "--smtp-port", &smtp, "--web-port", &web])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (tell, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        assert_eq!(log.recv_timeout(DEADLINE).expect("a line on stderr"), "ready");
        (child, log)
    }

    /// kill -9, then started anew on the same data.
    fn crash_and_restart(&mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("the service ends");
        (self.child, self.log) = Self::spawn(&self.world);
    }

    fn paths(&self) -> Paths {
        Paths { state: self.world.path("state"), cache: self.world.path("cache") }
    }

    async fn user(&self, name: &str) -> Credentials {
        mailbox::ensure(&self.paths(), name).await.expect("a mailbox")
    }

    fn smtp(&self) -> Smtp {
        Smtp::connect(self.world.ports.at(4))
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.world.ports.at(5))
    }

    async fn get(&self, who: &Credentials, path: &str) -> reqwest::Response {
        let request = client().get(self.url(path)).basic_auth(&who.user, Some(who.password.expose()));
        request.send().await.expect("an answer")
    }

    async fn json(&self, who: &Credentials, path: &str) -> Value {
        let answer = self.get(who, path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    async fn subjects(&self, who: &Credentials) -> Vec<String> {
        let list = self.json(who, "/api/v1/messages?limit=0").await;
        let messages = list["messages"].as_array().expect("an array");
        messages.iter().map(|item| item["Subject"].as_str().expect("a text").to_owned()).collect()
    }

    async fn events(&self, who: &Credentials) -> Events {
        let url = self.url("/api/events").replace("http://", "ws://");
        let mut request = url.into_client_request().expect("a request");
        let value = base64(&format!("{}:{}", who.user, who.password.expose()));
        request.headers_mut().insert("authorization", format!("Basic {value}").parse().expect("a header"));
        Events(tokio_tungstenite::connect_async(request).await.expect("a web socket").0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already, as some tests want it to.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Events(tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>);

impl Events {
    /// The next event that is no `stats`; none when the service closed the connection.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("an event in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let event: Value = serde_json::from_str(&text).expect("JSON");
                    if event["Type"] != "stats" {
                        return Some(event);
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}

/// A client that says exactly what it is told to.
struct Smtp(BufReader<TcpStream>);

impl Smtp {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the port is open");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        let mut client = Self(BufReader::new(stream));
        assert!(client.reply().starts_with("220 "));
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the service reads");
    }

    fn reply(&mut self) -> String {
        let mut whole = String::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a reply in time");
            whole.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return whole.trim_end().to_owned();
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    fn expect(&mut self, line: &str, code: &str) {
        let reply = self.say(line);
        assert!(reply.starts_with(code), "{line}: {reply}");
    }

    fn login(&mut self, who: &Credentials) {
        self.expect("EHLO test", "250");
        let words = base64(&format!("\0{}\0{}", who.user, who.password.expose()));
        self.expect(&format!("AUTH PLAIN {words}"), "235");
    }

    /// Sends `content` (lines end in CR LF, dots stuffed by the caller) and gives the final reply.
    fn mail(&mut self, content: &[u8]) -> String {
        self.expect("MAIL FROM:<f@example.test>", "250");
        self.expect("RCPT TO:<t@example.test>", "250");
        self.expect("DATA", "354");
        self.send(content);
        self.send(b".\r\n");
        self.reply()
    }

    fn has_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        // Reset or closed: both are an end.
        self.0.read_to_end(&mut rest).is_err() || !rest.is_empty() || self.0.buffer().is_empty()
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

fn subject(name: &str) -> Vec<u8> {
    format!("Subject: {name}\r\nFrom: a@example.test\r\nTo: t@example.test\r\n\r\nbody of {name}\r\n").into_bytes()
}

fn fixture(name: &str) -> String {
    format!("{}/tests/it/fixtures/mail/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} cannot be started ({error}); install it with: apt-get install python3 nodejs npm chromium")
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{stdout}{stderr}");
    stdout.into_owned()
}

/// A Node script of the fixtures, started where its packages are.
fn node(script: &str) -> Command {
    let tools = tools::npm("mail");
    fs_err::copy(fixture(script), tools.join(script)).expect("a copy");
    let mut command = Command::new("node");
    command.arg(tools.join(script));
    command
}

#[tokio::test]
async fn python_sends_with_every_form_of_login() {
    let service = Service::start();
    let (agent, admin) = (service.user("agent-1").await, service.user("admin").await);
    let port = service.world.ports.at(4).to_string();
    run(Command::new("python3").args([
        fixture("send.py"),
        port,
        agent.user.clone(),
        agent.password.expose().to_owned(),
    ]));
    assert_eq!(service.subjects(&agent).await, ["second on the same connection", "Grüße from Python"]);
    assert_eq!(service.subjects(&admin).await[0], "nobody's");
    assert_eq!(service.json(&admin, "/api/v1/messages?mailbox=unclaimed").await["total"], 1);

    let mail = service.json(&agent, "/api/v1/message/latest?query=subject:python").await;
    assert_eq!(mail["MessageID"], "python@example.test");
    assert_eq!(mail["From"], json!({ "Name": "Ann Ä", "Address": "ann@example.test" }));
    assert_eq!(mail["Bcc"], json!([{ "Name": "", "Address": "hidden@example.test" }]));
    assert_eq!(mail["Text"], "Plain words: zebra\r\n.\r\n..dots at the start\r\n");
    assert_eq!(mail["Tags"], json!(["tagged"]));
    assert_eq!(mail["Attachments"][0]["FileName"], "rechnung ü.pdf");
    assert_eq!(mail["Inline"][0]["ContentID"], "logo@x");
    let id = mail["ID"].as_str().expect("an id");
    let place = mail["Attachments"][0]["PartID"].as_str().expect("a part");
    let answer = service.get(&agent, &format!("/api/v1/message/{id}/part/{place}")).await;
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    assert_eq!(answer.headers()["content-disposition"], "inline; filename=\"rechnung%20%C3%BC.pdf\"");
    assert!(answer.headers()["content-security-policy"].to_str().expect("text").starts_with("sandbox;"));
    assert_eq!(answer.bytes().await.expect("bytes").as_ref(), b"%PDF-1.4");
    for (query, found) in
        [("giraffe", 2), ("zebra", 0), ("-giraffe", 0), ("is:read", 1), ("tag:TAGGED", 2), ("larger:1m", 0)]
    {
        let list = service.json(&agent, &format!("/api/v1/search?query={query}")).await;
        assert_eq!(list["messages_count"], found, "{query}");
    }
}

#[tokio::test]
async fn nodemailer_and_the_npm_client_of_mailpit_are_content() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let ports = [4, 5].map(|index| service.world.ports.at(index).to_string());
    run(node("send.mjs").args(ports).args([&agent.user, agent.password.expose()]));
}

#[tokio::test]
async fn curl_sends_and_reads() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let file = service.world.path("mail.eml");
    fs_err::write(&file, subject("from curl")).expect("a mail");
    let login = format!("{}:{}", agent.user, agent.password.expose());
    let smtp = format!("smtp://127.0.0.1:{}", service.world.ports.at(4));
    run(Command::new("curl")
        .args(["-sS", "--user", &login, "--mail-from", "f@x.test", "--mail-rcpt", "t@x.test"])
        .args(["--upload-file", file.as_str(), &smtp]));
    let shown = run(Command::new("curl").args(["-sS", "--user", &login, &service.url("/view/latest.txt")]));
    assert_eq!(shown, "body of from curl\r\n");
}

#[tokio::test]
async fn an_acknowledged_mail_survives_kill_9() {
    let mut service = Service::start();
    let agent = service.user("agent-1").await;
    let mut sent = Vec::new();
    for round in 0..3 {
        let mut smtp = service.smtp();
        smtp.login(&agent);
        for number in 0..5 {
            let name = format!("{round}-{number}");
            assert!(smtp.mail(&subject(&name)).starts_with("250 "));
            sent.push(name);
        }
        // A large one stays unfinished: it was not acknowledged, and nothing of it may be left.
        smtp.expect("MAIL FROM:<f@example.test>", "250");
        smtp.expect("RCPT TO:<t@example.test>", "250");
        smtp.expect("DATA", "354");
        smtp.send(&b"Subject: unfinished\r\n\r\n".repeat(60_000));
        service.crash_and_restart();
    }
    sent.reverse();
    assert_eq!(service.subjects(&agent).await, sent);
    let id = service.json(&agent, "/api/v1/message/latest").await["ID"].as_str().expect("an id").to_owned();
    let raw = service.get(&agent, &format!("/api/v1/message/{id}/raw")).await.text().await.expect("text");
    assert!(raw.ends_with("body of 2-4\r\n"));
    assert_eq!(fs_err::read_dir(service.world.path("state/infra/mail/spool")).expect("the spool").count(), 0);
}

#[tokio::test]
async fn nobody_sees_the_mails_of_another() {
    let service = Service::start();
    let (one, two, admin) = (service.user("agent-1").await, service.user("agent-2").await, service.user("admin").await);
    let (mut events_two, mut events_admin) = (service.events(&two).await, service.events(&admin).await);
    let mut smtp = service.smtp();
    smtp.login(&one);
    assert!(smtp.mail(&subject("secret of one")).starts_with("250 "));
    let list = service.json(&one, "/api/v1/messages").await;
    let id = list["messages"][0]["ID"].as_str().expect("an id").to_owned();
    let all = service.url("/api/v1/messages");
    let (by_two, body) = (
        |request: reqwest::RequestBuilder| request.basic_auth(&two.user, Some(two.password.expose())),
        json!({ "IDs": [id] }).to_string(),
    );

    // By everything that takes an id or a search, agent 2 finds nothing.
    for path in ["", "/headers", "/raw", "/part/0"] {
        assert_eq!(service.get(&two, &format!("/api/v1/message/{id}{path}")).await.status(), 404, "{path}");
        assert_eq!(service.get(&one, &format!("/api/v1/message/{id}{path}")).await.status(), 200, "{path}");
    }
    for path in [format!("/view/{id}.txt"), "/view/latest.txt".to_owned(), "/api/v1/message/latest/raw".to_owned()] {
        assert_eq!(service.get(&two, &path).await.status(), 404, "{path}");
    }
    assert_eq!(service.json(&two, "/api/v1/search?query=secret").await["messages_count"], 0);
    assert_eq!(service.json(&two, "/api/v1/messages").await["total"], 0);
    assert_eq!(service.json(&two, "/api/v1/info").await["Messages"], 0);
    for path in ["/api/v1/messages?mailbox=agent-1", "/?mailbox=agent-1", "/api/v1/messages?mailbox=unclaimed"] {
        assert_eq!(service.get(&two, path).await.status(), 403, "{path}");
    }
    for request in
        [client().delete(&all).body(body.clone()), client().put(&all).body(format!("{{\"Read\":false,{}", &body[1..]))]
    {
        assert_eq!(by_two(request).send().await.expect("an answer").status(), 200);
    }
    assert_eq!(by_two(client().delete(&all)).send().await.expect("an answer").status(), 200);
    assert_eq!(service.json(&one, "/api/v1/messages?x").await["messages"][0]["Read"], true);

    // Agent 2's own mail is the first that its web socket hears of; admin hears both.
    let mut smtp = service.smtp();
    smtp.login(&two);
    assert!(smtp.mail(&subject("of two")).starts_with("250 "));
    let event = loop {
        let event = events_two.next().await.expect("an event");
        assert_ne!(event["Data"]["Subject"], "secret of one");
        if event["Type"] == "new" {
            break event;
        }
    };
    assert_eq!(event["Data"]["Subject"], "of two");
    assert_eq!(events_admin.next().await.expect("an event")["Data"]["Subject"], "secret of one");
    assert_eq!(service.subjects(&admin).await, ["of two", "secret of one"]);
    assert_eq!(service.json(&admin, "/api/v1/messages?mailbox=agent-1").await["total"], 1);

    // Without or with wrong credentials there is nothing at all, and a person is told how to get in.
    for path in
        ["/", "/api/v1/messages", "/api/events", "/view/latest.html", "/login", "/login?user=agent-1&password=x"]
    {
        let answer = client().get(service.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{path}");
        assert!(answer.text().await.expect("text").contains("agent-harness cli"), "{path}");
    }
    let wrong = client().get(&all).basic_auth("agent-1", Some(two.password.expose()));
    assert_eq!(wrong.send().await.expect("an answer").status(), 401);
}

#[tokio::test]
async fn a_removed_mailbox_is_forgotten_at_once() {
    let service = Service::start();
    let (one, two) = (service.user("agent-1").await, service.user("agent-2").await);
    let mut smtp = service.smtp();
    smtp.login(&one);
    assert!(smtp.mail(&subject("old")).starts_with("250 "));
    let mut events = service.events(&one).await;
    mailbox::remove(&service.paths(), "agent-1").await.expect("removed");
    assert!(events.next().await.is_none(), "the web socket is closed");
    assert!(smtp.reply().starts_with("421 "));
    assert!(smtp.has_ended());
    assert_eq!(service.get(&one, "/api/v1/messages").await.status(), 401);
    assert!(!service.world.path("state/infra/mail/boxes/agent-1").exists());

    // The next agent of that id finds an empty box and has another key.
    let again = service.user("agent-1").await;
    assert_ne!(again.password.expose(), one.password.expose());
    assert!(service.subjects(&again).await.is_empty());
    let mut smtp = service.smtp();
    smtp.login(&again);
    assert!(smtp.mail(&subject("new")).starts_with("250 "));
    assert_eq!(service.subjects(&again).await, ["new"]);
    let seen = mailbox::inspect(&service.paths(), "agent-1").await.expect("inspect").expect("a mailbox");
    assert_eq!(seen.mails, 1);

    // Removed between DATA and the end of the mail: not kept, not acknowledged, no box comes back.
    let mut smtp = service.smtp();
    smtp.login(&two);
    smtp.expect("MAIL FROM:<f@example.test>", "250");
    smtp.expect("RCPT TO:<t@example.test>", "250");
    smtp.expect("DATA", "354");
    mailbox::remove(&service.paths(), "agent-2").await.expect("removed");
    smtp.send(b"Subject: late\r\n\r\n.\r\n");
    assert!(smtp.reply().starts_with("421 "));
    assert!(!service.world.path("state/infra/mail/boxes/agent-2").exists());
}

#[tokio::test]
async fn nothing_can_be_smuggled_past_the_end_of_a_mail() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let inner = "MAIL FROM:<evil@example.test>\r\nRCPT TO:<t@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n";
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r\n\0.\r\n", "\r\n.\r\r\n"] {
        let mut smtp = service.smtp();
        smtp.login(&agent);
        let reply = smtp.mail(format!("Subject: outer\r\n\r\nbody{end}{inner}").as_bytes());
        assert!(reply.starts_with("250 "), "{end:?}: {reply}");
        smtp.expect("NOOP", "250 2.0.0");
        smtp.expect("QUIT", "221");
    }
    let subjects = service.subjects(&agent).await;
    assert_eq!(subjects, vec!["outer"; 8]);

    // Everything sent ahead in one piece is taken in order: what stands behind the end is commands again.
    let mut smtp = service.smtp();
    smtp.login(&agent);
    let ahead =
        "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nSubject: ahead\r\n\r\n..\r\n.\r\nRSET\r\nQUIT\r\n";
    smtp.send(ahead.as_bytes());
    let codes: Vec<String> = (0..6).map(|_| smtp.reply()[..3].to_owned()).collect();
    assert_eq!(codes, ["250", "250", "354", "250", "250", "221"]);
    assert_eq!(service.json(&agent, "/api/v1/message/latest").await["Text"], ".\r\n");
}

#[tokio::test]
async fn commands_out_of_order_or_bounds_are_refused() {
    let service = Service::start();
    let mut smtp = service.smtp();
    smtp.expect("MAIL FROM:<a@x.test>", "503");
    let offers = smtp.say("EHLO test");
    for offer in ["SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "PIPELINING", "AUTH PLAIN LOGIN"] {
        assert!(offers.contains(offer), "{offers}");
    }
    for (line, code) in [
        ("VRFY someone", "502"),
        ("NONSENSE", "500"),
        ("RCPT TO:<a@x.test>", "503"),
        ("DATA", "503"),
        ("AUTH CRAM-MD5", "504"),
        ("AUTH PLAIN !!!", "501"),
        ("AUTH PLAIN AGEAYgBj", "501"),
        ("MAIL FROM:<a@x.test> SIZE=52428801", "552"),
        ("MAIL FROM:<nodomain>", "553"),
        ("MAIL FROM:<>", "250"),
        ("MAIL FROM:<a@x.test>", "503"),
        ("RCPT TO:<nodomain>", "553"),
        ("RCPT TO: <space@x.test>", "250"),
        ("AUTH PLAIN AGEAYg==", "503"),
        ("RSET", "250"),
        ("DATA", "503"),
    ] {
        smtp.expect(line, code);
    }
    smtp.expect(&format!("NOOP {}", "x".repeat(3_000)), "500");
    smtp.expect("NOOP", "250");

    let mut smtp = service.smtp();
    smtp.expect("HELO old", "250");
    smtp.expect("MAIL FROM:<a@x.test>", "250");
    for number in 0..100 {
        smtp.expect(&format!("RCPT TO:<t{number}@x.test>"), "250");
    }
    smtp.expect("RCPT TO:<t100@x.test>", "452");
    smtp.expect("DATA", "354");
    assert!(smtp.say("no header at all\r\n.").starts_with("250 "));
    let admin = service.user("admin").await;
    let mail = service.json(&admin, "/api/v1/message/latest").await;
    assert_eq!(mail["Bcc"].as_array().expect("an array").len(), 100);
    assert_eq!(mail["Text"], "no header at all\r\n");

    // A browser that is led to this port gets nothing done.
    let mut smtp = service.smtp();
    assert!(smtp.say("POST / HTTP/1.1").starts_with("421 "));
    assert!(smtp.has_ended());
}

#[tokio::test]
async fn an_oversized_mail_is_read_off_and_refused() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let mut smtp = service.smtp();
    smtp.login(&agent);
    smtp.expect("MAIL FROM:<f@example.test>", "250");
    smtp.expect("RCPT TO:<t@example.test>", "250");
    smtp.expect("DATA", "354");
    smtp.send(b"Subject: too large\r\n\r\n");
    let piece = b"MAIL FROM:<evil@example.test>\r\n".repeat(32 * 1024);
    for _ in 0..54 {
        smtp.send(&piece);
    }
    smtp.send(b".\r\n");
    assert!(smtp.reply().starts_with("552 "));
    // The connection is as good as before, and one just within the limit is kept.
    smtp.expect("MAIL FROM:<f@example.test>", "250");
    smtp.expect("RCPT TO:<t@example.test>", "250");
    smtp.expect("DATA", "354");
    smtp.send(b"Subject: large\r\n\r\n");
    for _ in 0..51 {
        smtp.send(&piece);
    }
    smtp.send(b".\r\n");
    assert!(smtp.reply().starts_with("250 "));
    assert_eq!(service.subjects(&agent).await, ["large"]);
    let raw = service.get(&agent, "/api/v1/message/latest/raw").await.bytes().await.expect("bytes");
    assert!(raw.starts_with(b"Return-Path: <f@example.test>\r\n"));
    assert!(raw.len() > 51_000_000, "{}", raw.len());
}

#[tokio::test]
async fn broken_and_nested_mails_are_kept_and_cheap() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let mut smtp = service.smtp();
    smtp.login(&agent);
    for kind in [
        "multipart/mixed",
        "multipart/mixed; boundary=\"\"",
        "multipart/mixed; boundary=a",
        "text/plain; charset=\"nonsense",
        "///;;;=",
    ] {
        let mail =
            format!("Subject: {}\r\nContent-Type: {kind}\r\n\r\n--a\r\nbroken header\r\nkept words\r\n", kind.len());
        assert!(smtp.mail(mail.as_bytes()).starts_with("250 2.0.0 Ok: queued as "), "{kind}");
        let mail = service.json(&agent, "/api/v1/message/latest").await;
        assert_eq!(mail["Subject"], kind.len().to_string());
    }
    assert!(smtp.mail(b"").starts_with("250 "));
    for nested in ["multipart/mixed; boundary=b", "message/rfc822; x=b"] {
        let levels =
            (0..5_000).flat_map(|level| format!("Content-Type: {nested}{level}\r\n\r\n--b{level}\r\n").into_bytes());
        let begin = Instant::now();
        assert!(smtp.mail(&levels.collect::<Vec<_>>()).starts_with("250 "), "{nested}");
        service.json(&agent, "/api/v1/message/latest").await;
        assert!(begin.elapsed() < Duration::from_secs(5), "{nested}: {:?}", begin.elapsed());
    }
    assert_eq!(service.subjects(&agent).await.len(), 8);
}

#[tokio::test]
async fn requests_from_elsewhere_and_mistakes_do_no_harm() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let mut smtp = service.smtp();
    smtp.login(&agent);
    assert!(smtp.mail(&subject("stays")).starts_with("250 "));
    let all = service.url("/api/v1/messages");
    let ask = |method: &str, url: &str| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        client().request(method, url).basic_auth(&agent.user, Some(agent.password.expose()))
    };
    let status = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status().as_u16();
    assert_eq!(status(ask("GET", &all).header("origin", "http://localhost:3010")).await, 403);
    assert_eq!(status(ask("DELETE", &all).header("origin", "null")).await, 403);
    assert_eq!(status(ask("GET", &all).header("host", "evil.example.test")).await, 403);
    assert_eq!(status(ask("GET", &all).header("host", "mail.localhost:1")).await, 200);
    assert_eq!(status(ask("DELETE", &all).body("{\"IDs\": [")).await, 400);
    assert_eq!(status(ask("DELETE", &all).body("{\"IDs\": \"all\"}")).await, 400);
    assert_eq!(status(ask("DELETE", &all).body("[]")).await, 400);
    assert_eq!(status(ask("PUT", &all)).await, 400);
    assert_eq!(status(ask("PUT", &all).body("{\"IDs\":[\"a\"],\"Search\":\"b\"}")).await, 400);
    assert_eq!(status(ask("DELETE", &all).body(format!("{{\"IDs\":[\"{}\"]}}", "x".repeat(6 << 20)))).await, 413);
    assert_eq!(status(ask("DELETE", &service.url("/api/v1/search"))).await, 400);
    assert_eq!(status(ask("GET", &service.url("/api/v1/search"))).await, 400);
    assert_eq!(status(ask("POST", &all)).await, 405);
    assert_eq!(status(ask("GET", &service.url("/api/v1/nothing"))).await, 404);
    assert_eq!(status(ask("GET", &service.url("/api/v1/message/..%2f..%2fusers%2fagent-1"))).await, 404);
    assert_eq!(status(ask("OPTIONS", &all)).await, 200);
    assert_eq!(status(ask("HEAD", &all)).await, 200);
    assert_eq!(status(client().get(service.url("/livez"))).await, 200);
    assert_eq!(service.subjects(&agent).await, ["stays"]);

    // The login link: the key leaves the URL, and the cookie works below its own path only.
    let login = format!("/login?user=agent-1&password={}&next=/api/v1/messages", agent.password.expose());
    let answer = client().get(service.url(&login)).send().await.expect("an answer");
    assert_eq!(answer.status(), 303);
    let target = answer.headers()["location"].to_str().expect("text").to_owned();
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(!target.contains(agent.password.expose()) && !cookie.contains(agent.password.expose()));
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite="), "{cookie}");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    assert_eq!(status(client().get(service.url(&target)).header("cookie", &cookie)).await, 200);
    assert_eq!(status(client().get(&all).header("cookie", &cookie)).await, 401);
    assert_eq!(status(client().get(service.url(&target))).await, 401);
    let elsewhere = login.replace("next=/api/v1/messages", "next=//evil.example.test");
    let answer = client().get(service.url(&elsewhere)).send().await.expect("an answer");
    assert!(!answer.headers()["location"].to_str().expect("text").contains("evil"));
}

#[tokio::test]
async fn events_tell_every_change() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let mut events = service.events(&agent).await;
    let mut smtp = service.smtp();
    smtp.login(&agent);
    assert!(smtp.mail(&subject("first")).starts_with("250 "));
    let new = events.next().await.expect("an event");
    assert_eq!((&new["Type"], &new["Data"]["Read"]), (&json!("new"), &json!(false)));
    let id = new["Data"]["ID"].as_str().expect("an id").to_owned();
    service.json(&agent, &format!("/api/v1/message/{id}")).await;
    assert_eq!(events.next().await, Some(json!({ "Type": "update", "Data": { "ID": id, "Read": true } })));
    let all = service.url("/api/v1/messages");
    let delete = |body: String| client().delete(&all).basic_auth(&agent.user, Some(agent.password.expose())).body(body);
    delete(json!({ "IDs": [id] }).to_string()).send().await.expect("an answer");
    assert_eq!(events.next().await, Some(json!({ "Type": "delete", "Data": { "ID": id } })));
    delete(String::new()).send().await.expect("an answer");
    assert_eq!(events.next().await, Some(json!({ "Type": "truncate", "Data": null })));
    smtp.expect("VRFY x", "502");
    assert_eq!(events.next().await.expect("an event")["Type"], "error");
}

#[tokio::test]
async fn a_box_keeps_the_newest_mails() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let mut smtp = service.smtp();
    smtp.login(&agent);
    // A large one has its source in a file.
    assert!(smtp.mail(&[subject("large"), b"x".repeat(300_000), b"\r\n".to_vec()].concat()).starts_with("250 "));
    let files = || fs_err::read_dir(service.world.path("state/infra/mail/boxes/agent-1/mails")).expect("files").count();
    assert_eq!(files(), 1);
    for number in 0..505 {
        assert!(smtp.mail(&subject(&number.to_string())).starts_with("250 "));
    }
    let list = service.json(&agent, "/api/v1/messages").await;
    assert_eq!((&list["total"], &list["messages"][0]["Subject"]), (&json!(500), &json!("504")));
    assert_eq!(list["count"], 50);
    let oldest = service.json(&agent, "/api/v1/messages?start=499").await;
    assert_eq!(oldest["messages"][0]["Subject"], "5");
    let seen = mailbox::inspect(&service.paths(), "agent-1").await.expect("inspect").expect("a mailbox");
    assert_eq!((seen.mails, files()), (500, 0));
}

#[test]
fn a_taken_port_is_named_and_sigterm_ends_cleanly() {
    let mut service = Service::start();
    let (smtp, web) = (service.world.ports.at(4).to_string(), service.world.ports.at(6).to_string());
    let root = service.world.path("state/other");
    let args = ["serve", "mail", "--root", root.as_str(), "--smtp-port", &smtp, "--web-port", &web];
    let output = service.world.harness(args).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains(&smtp) && stderr.contains("next:"), "{stderr}");

    let pid = rustix::process::Pid::from_child(&service.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
    assert_eq!(service.child.wait().expect("it ends").code(), Some(0));
    assert_eq!(service.log.recv_timeout(DEADLINE).ok(), None, "nothing more is said");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test answers the browser's script while it runs")]
async fn a_hostile_mail_does_nothing_in_a_browser() {
    let service = Service::start();
    let agent = service.user("agent-1").await;
    let elsewhere = service.world.ports.at(6);
    let script = "<script>window.pwned=1;alert(1);document.querySelector('#marker').textContent='touched'</script>";
    let hostile = format!(
        "Subject: <script>window.pwned=1;alert(1)</script><img src=x onerror=alert(2)>\r\n\
         From: \"<img src=x onerror=alert(3)>\" <a@example.test>\r\nTo: t@example.test\r\n\
         Content-Type: multipart/mixed; boundary=a\r\n\r\n\
         --a\r\nContent-Type: text/html\r\n\r\n<p id=marker>untouched</p><p>Hostile body</p>{script}\
         <img src=x onerror=\"window.pwned=1;alert(4)\"><img src=\"http://127.0.0.1:{elsewhere}/x.png\">\
         <img id=own src=\"cid:own@x\"><link rel=stylesheet href=\"http://127.0.0.1:{elsewhere}/x.css\">\
         <iframe src=\"javascript:alert(5)\"></iframe><svg onload=\"parent.pwned=1;alert(6)\"></svg>\
         <meta http-equiv=refresh content=\"0;url=javascript:alert(7)\"><form action=\"http://127.0.0.1:{elsewhere}\"></form>\r\n\
         --a\r\nContent-Type: image/gif\r\nContent-ID: <own@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\r\n\
         --a\r\nContent-Type: image/svg+xml; name=\"<img src=x onerror=alert(8)>.svg\"\r\n\
         Content-Disposition: attachment; filename=\"<img src=x onerror=alert(8)>.svg\"\r\n\r\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(9)\"><script>alert(10)</script></svg>\r\n--a--\r\n"
    );
    let mut smtp = service.smtp();
    smtp.login(&agent);
    assert!(smtp.mail(hostile.as_bytes()).starts_with("250 "));
    let web = service.world.ports.at(5).to_string();
    let chromium = tools::chromium();
    let mut browser = node("page.mjs")
        .envs(&chromium.env)
        .args([chromium.path.as_str(), &web, &elsewhere.to_string(), &agent.user, agent.password.expose()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node starts");
    // It says when it waits for the mail that is to arrive live.
    let mut asked = String::new();
    BufReader::new(browser.stdout.take().expect("stdout is piped")).read_line(&mut asked).expect("a line");
    if asked.trim() == "send" {
        assert!(smtp.mail(&subject("Arrived live")).starts_with("250 "));
    }
    let output = browser.wait_with_output().expect("node ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

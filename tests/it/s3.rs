//! `serve s3` against real S3 clients.

pub(crate) mod raw;
mod server;
mod tools;

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use agent_harness::{
    config::paths::Paths,
    resource::bucket::{BucketError, BucketName, BucketState, Buckets},
};
use md5::{Digest as _, Md5};
use raw::{Signer, encode, send, try_send};
use server::Server;

use crate::world::World;

/// A server with the keys agent-1 and agent-2.
fn two_agents(world: &World) -> (Server, Signer, Signer) {
    let server = Server::start(world);
    server.key("agent-1");
    server.key("agent-2");
    let (one, two) = (Signer::new(server.port, "agent-1"), Signer::new(server.port, "agent-2"));
    (server, one, two)
}

#[test]
fn boto3_finds_everything_an_app_needs() {
    let world = World::new();
    let (server, ..) = two_agents(&world);
    let mut boto = Command::new(tools::python());
    boto.arg(tools::fixtures().join("boto.py"));
    boto.args([&server.endpoint(), "agent-1", "secret-agent-1", "agent-1", "agent-2"]);
    assert_eq!(tools::run(&mut boto, "").trim(), "ok");
}

#[test]
fn the_sdk_for_javascript_finds_everything_an_app_needs() {
    let world = World::new();
    let (server, ..) = two_agents(&world);
    let folder = tools::node_modules();
    let script = folder.join("sdk.mjs");
    fs_err::copy(tools::fixtures().join("sdk.mjs"), &script).expect("the script beside its modules");
    let mut node = Command::new("node");
    node.args([script.as_str(), &server.endpoint(), "agent-1", "secret-agent-1", "agent-1", "agent-2"]);
    assert_eq!(tools::run(&mut node, "install with: apt-get install nodejs").trim(), "ok");
}

#[test]
fn no_key_reaches_another_bucket() {
    let world = World::new();
    let (_server, one, two) = two_agents(&world);
    assert_eq!(one.send("PUT", "/agent-1/secret", b"of one").status, 200);
    let refused = |answer: &raw::Answer, what: &str| {
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        answer.text()
    };
    // Existing or not: the same words.
    for (method, query) in [
        ("GET", &[][..]),
        ("HEAD", &[]),
        ("PUT", &[]),
        ("DELETE", &[]),
        ("POST", &[("uploads", "")]),
        ("GET", &[("tagging", "")]),
        ("PUT", &[("partNumber", "1"), ("uploadId", "x")]),
    ] {
        let there = refused(&two.send_with(method, "/agent-1/secret", query, &[], b""), method);
        let not_there = refused(&two.send_with(method, "/nowhere/secret", query, &[], b""), method);
        assert_eq!(there, not_there, "{method} {query:?}");
    }
    for (method, query) in [
        ("GET", ""),
        ("HEAD", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("GET", "list-type"),
        ("GET", "uploads"),
        ("GET", "cors"),
        ("GET", "location"),
        ("GET", "versioning"),
        ("POST", "delete"),
    ] {
        let query: &[(&str, &str)] = if query.is_empty() { &[] } else { &[(query, "2")] };
        for path in ["/agent-1", "/agent-1/", "/nowhere", "/%61gent-1", "/AGENT-1", "/agent-1%2Fsecret"] {
            refused(&two.send_with(method, path, query, &[], b""), &format!("{method} {path} {query:?}"));
        }
    }
    // As the source of a copy, however it is spelt.
    for source in [
        "/agent-1/secret",
        "agent-1/secret",
        "agent-1%2Fsecret",
        "%61gent-1/secret",
        "//agent-1/secret",
        "/agent-2/../agent-1/secret",
        "arn:aws:s3:us-east-1:123456789012:accesspoint/agent-1/object/secret",
    ] {
        let headers = [("x-amz-copy-source", source)];
        let answer = two.send_with("PUT", "/agent-2/stolen", &[], &headers, b"");
        assert!(matches!(answer.status, 400 | 403 | 404), "{source}: {} {}", answer.status, answer.text());
    }
    assert_eq!(two.send("GET", "/agent-2/stolen", b"").status, 404);
    // Dots are names.
    let hostile = "/agent-2/../agent-1/secret";
    assert_eq!(two.send("PUT", hostile, b"of two").status, 200);
    assert_eq!(two.send("PUT", "/agent-2/../agent-1/secret%00", b"of two").status, 200);
    assert_eq!(two.send("GET", hostile, b"").body, b"of two");
    assert_eq!(one.send("GET", "/agent-1/secret", b"").body, b"of one");
    let listing = two.send_with("GET", "/agent-2", &[("list-type", "2"), ("encoding-type", "url")], &[], b"").text();
    assert!(listing.contains("<Key>../agent-1/secret</Key>"), "{listing}");
    assert!(listing.contains("<Key>../agent-1/secret%00</Key>"), "{listing}");
    let buckets = two.send("GET", "/", b"").text();
    assert!(buckets.contains("agent-2") && !buckets.contains("agent-1"), "{buckets}");
    // A key of one signed with the secret of the other.
    let mixed = Signer { secret: two.secret, ..one };
    assert_eq!(mixed.send("GET", "/agent-1/secret", b"").status, 403);
}

#[test]
fn keys_count_at_once_and_nobody_comes_in_without() {
    let world = World::new();
    let (server, one, _) = two_agents(&world);
    assert_eq!(one.send("PUT", "/agent-1/x", b"x").status, 200);
    for path in ["/", "/agent-1", "/agent-1/x", "/nowhere/x"] {
        assert_eq!(send(server.port, "GET", path, &[], b"").status, 403, "{path}");
    }
    let expired = one.target("GET", "/agent-1/x", &[], &[], 61);
    let answer = send(server.port, "GET", &expired, &[], b"");
    assert_eq!((answer.status, answer.text().contains("expired")), (403, true), "{}", answer.text());
    let future = one.target("GET", "/agent-1/x", &[], &[], -3600);
    assert_eq!(send(server.port, "GET", &future, &[], b"").status, 403);
    for name in ["agent-3", "../keys/agent-1", "..", "agent-1/", ""] {
        let stranger = Signer { access_key: name.to_owned(), ..one.clone() };
        let status = stranger.send("GET", "/agent-1/x", b"").status;
        assert!(matches!(status, 400 | 403), "{name:?}: {status}");
    }
    let three = Signer::new(server.port, "agent-3");
    server.key("agent-3");
    assert_eq!(three.send("PUT", "/agent-3/x", b"x").status, 200);
    server.key_file("agent-3", "changed", 0);
    assert_eq!(three.send("GET", "/agent-3/x", b"").status, 403);
    let changed = Signer { secret: "changed".to_owned(), ..three.clone() };
    assert_eq!(changed.send("GET", "/agent-3/x", b"").body, b"x");
    fs_err::remove_file(server.root.join("keys/agent-3.json")).expect("removed");
    assert_eq!(changed.send("GET", "/agent-3/x", b"").status, 403);
}

#[test]
fn a_signature_covers_every_header_that_matters() {
    let world = World::new();
    let (server, one, _) = two_agents(&world);
    assert_eq!(one.send("PUT", "/agent-1/secret", b"secret").status, 200);
    let target = one.target("PUT", "/agent-1/upload", &[], &[], 0);
    for header in ["x-amz-copy-source", "x-amz-meta-a", "x-amz-tagging"] {
        let answer = send(server.port, "PUT", &target, &[(header, "/agent-1/secret")], b"");
        assert_eq!(answer.status, 403, "{header}");
    }
    assert_eq!(one.send("GET", "/agent-1/upload", b"").status, 404);
    // A digest in the query is that of a body nobody knew yet.
    let answer = one.send_with("PUT", "/agent-1/upload", &[("x-amz-checksum-crc32", "AAAAAA==")], &[], b"body");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let wrong = [("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")];
    let answer = one.send_with("PUT", "/agent-1/wrong", &[], &wrong, b"body");
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(one.send("GET", "/agent-1/wrong", b"").status, 404);
}

#[test]
fn acknowledged_objects_survive_kill_9_and_no_half_object_appears() {
    let world = World::new();
    let (mut server, one, _) = two_agents(&world);
    let body = |number: usize| -> Vec<u8> {
        let byte = u8::try_from(number % 251).expect("small");
        vec![byte; 1 + number * 7919 % 300_000]
    };
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (one, stop) = (one.clone(), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let mut stored = Vec::new();
                    for number in (writer..).step_by(4) {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        // Some keys are written again and again: old or new, never a mixture.
                        let key = if number % 3 == 0 { format!("r{writer}") } else { format!("k{round}-{number}") };
                        let target = one.target("PUT", &format!("/agent-1/{key}"), &[], &[], 0);
                        let answer = try_send(one.port, "PUT", &target, &[], &body(number));
                        match answer {
                            Ok(answer) => {
                                assert_eq!(answer.status, 200, "{}", answer.text());
                                stored.push((key, number));
                            }
                            Err(_) => break,
                        }
                    }
                    stored
                })
            })
            .collect();
        wait(|| one.send("GET", &format!("/agent-1/k{round}-40"), b"").status == 200);
        server.crash(&world);
        stop.store(true, Ordering::Relaxed);
        let stored: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect();
        assert!(stored.len() > 20, "only {} puts", stored.len());
        for (key, number) in stored.iter().filter(|(key, _)| key.starts_with('k')) {
            let answer = one.send("GET", &format!("/agent-1/{key}"), b"");
            assert!(answer.status == 200 && answer.body == body(*number), "{key} is lost or wrong");
        }
        for writer in 0..4 {
            let answer = one.send("GET", &format!("/agent-1/r{writer}"), b"");
            let etag = format!("\"{}\"", hex::encode(Md5::digest(&answer.body)));
            assert_eq!(answer.header("etag"), Some(etag.as_str()), "a mixture in r{writer}");
        }
    }
    // What no index names is swept away after a start.
    let objects = || one.send_with("GET", "/agent-1", &[("list-type", "2")], &[], b"").text().matches("<Key>").count();
    wait(|| count_files(&server.root.join("roots/agent-1/content")) == objects());
}

fn count_files(directory: &camino::Utf8Path) -> usize {
    let entries = directory.read_dir_utf8().expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").into_path())
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}

/// Waits until `condition` holds.
fn wait(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came true");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_large_object_does_not_lie_in_memory() {
    let world = World::new();
    let (server, one, _) = two_agents(&world);
    let body = vec![7; 200 << 20];
    assert_eq!(one.send("PUT", "/agent-1/large", &body).status, 200);
    assert!(one.send("GET", "/agent-1/large", b"").body == body);
    let status = fs_err::read_to_string(format!("/proc/{}/status", server.pid())).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 64 * 1024, "{peak} kB for an object of 200 MB");
}

#[test]
fn browsers_are_answered_as_the_rules_say() {
    let world = World::new();
    let (server, one, _) = two_agents(&world);
    let preflight = |origin: &str| {
        let url = format!("{}/agent-1/x", server.endpoint());
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", "-X", "OPTIONS", &url, "-H", &format!("Origin: {origin}")]);
        curl.args(["-H", "Access-Control-Request-Method: PUT", "-H", "Access-Control-Request-Headers: content-type"]);
        tools::run(&mut curl, "install with: apt-get install curl").to_lowercase()
    };
    let answer = preflight("http://localhost:3010");
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    for line in ["access-control-allow-origin: *", "access-control-allow-headers: content-type"] {
        assert!(answer.contains(line), "{answer}");
    }
    // Errors can be read by the page too.
    let answer = send(server.port, "GET", "/agent-1/x", &[("origin", "http://localhost:3010")], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, Some("*")));
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>http://a</AllowedOrigin>\
                 <AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader></CORSRule></CORSConfiguration>";
    assert_eq!(one.send_with("PUT", "/agent-1", &[("cors", "")], &[], rules.as_bytes()).status, 200);
    assert!(preflight("http://a").starts_with("http/1.1 200"));
    assert!(preflight("http://b").starts_with("http/1.1 403"));
    let answer = send(server.port, "PUT", "/agent-1/x", &[("origin", "http://b")], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
}

#[test]
fn objects_expire_by_the_key_and_by_rules() {
    let world = World::new();
    let (mut server, one, _) = two_agents(&world);
    for key in ["tmp/old", "tmp/new", "old"] {
        assert_eq!(one.send("PUT", &format!("/agent-1/{key}"), b"x").status, 200);
    }
    let rules = "<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>tmp/</Prefix></Filter>\
                 <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
    let answer = one.send_with("PUT", "/agent-1", &[("lifecycle", "")], &[], rules.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(server.terminate().success());
    let root = server.root.join("roots/agent-1");
    let index = rusqlite::Connection::open(root.join("index.db")).expect("the index of a stopped server");
    let aged = index
        .execute("UPDATE object SET modified = modified - 90000000 WHERE key IN (x'746d702f6f6c64', x'6f6c64')", [])
        .expect("aged by 25 hours");
    assert_eq!(aged, 2);
    drop(index);
    server.start_again(&world);
    let status = |key: &str| one.send("GET", &format!("/agent-1/{key}"), b"").status;
    assert_eq!(["tmp/old", "tmp/new", "old"].map(status), [404, 200, 200]);
    let listing = one.send_with("GET", "/agent-1", &[("list-type", "2")], &[], b"").text();
    assert_eq!(listing.matches("<Key>").count(), 2, "{listing}");
    wait(|| count_files(&root.join("content")) == 2);
    server.key_file("agent-1", "secret-agent-1", 1);
    assert_eq!(["tmp/new", "old"].map(status), [200, 404]);
}

#[test]
fn a_bucket_is_made_inspected_and_removed_while_the_server_runs() {
    let world = World::new();
    let server = Server::start(&world);
    let paths = Paths { state: world.path("state"), cache: world.path("cache") };
    let buckets = Buckets { paths: &paths, port: server.port };
    let name = BucketName::from("1".parse::<agent_harness::model::id::AgentId>().expect("an id"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        assert_eq!(buckets.inspect(&name).await.expect("a state"), BucketState::Absent);
        let first = buckets.ensure(&name, 0).await.expect("a bucket");
        let again = buckets.ensure(&name, 0).await.expect("a bucket");
        assert_eq!((&again.access_key, again.secret.expose()), (&"agent-1".to_owned(), first.secret.expose()));
        assert_eq!(buckets.inspect(&name).await.expect("a state"), BucketState::Ready);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs_err::metadata(server.root.join("keys/agent-1.json")).expect("a key file").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        let one = Signer { port: server.port, access_key: first.access_key, secret: first.secret.expose().to_owned() };
        assert_eq!(one.send("PUT", "/agent-1/x", b"x").status, 200);
        // Deleted with the agent's own key, it comes back.
        assert_eq!(one.send("DELETE", "/agent-1/x", b"").status, 204);
        assert_eq!(one.send("DELETE", "/agent-1", b"").status, 204);
        assert_eq!(one.send("GET", "/agent-1", b"").status, 404);
        buckets.ensure(&name, 0).await.expect("a bucket");
        assert_eq!(one.send("PUT", "/agent-1/x", b"x").status, 200);

        // Removed while an agent still writes.
        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let (one, stop) = (one.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                for number in 0_u32.. {
                    let status = one.send("PUT", &format!("/agent-1/{number}"), &vec![0; 100_000]).status;
                    assert!(matches!(status, 200 | 403 | 404 | 500), "{status}");
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            })
        };
        wait(|| one.send("GET", "/agent-1/5", b"").status == 200);
        buckets.remove(&name).await.expect("removed");
        assert_eq!(one.send("GET", "/agent-1/x", b"").status, 403);
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("a writer");
        assert_eq!(fs_err::read_dir(server.root.join("roots")).expect("roots").count(), 0);
        assert_eq!(fs_err::read_dir(server.root.join("keys")).expect("keys").count(), 0);
        assert_eq!(buckets.inspect(&name).await.expect("a state"), BucketState::Absent);
        buckets.remove(&name).await.expect("removed twice");

        // Made anew under the same name it is empty and has another secret.
        let second = buckets.ensure(&name, 0).await.expect("a bucket");
        assert_ne!(second.secret.expose(), one.secret);
        let one = Signer { secret: second.secret.expose().to_owned(), ..one };
        assert_eq!(one.send("GET", "/agent-1/x", b"").status, 404);
        assert_eq!(one.send("PUT", "/agent-1/x", b"x").status, 200);
    });
    drop(server);
    runtime.block_on(async {
        assert!(matches!(buckets.ensure(&name, 0).await, Err(BucketError::Unreachable { .. })));
        // A removal that was cut off before is finished too.
        let left = paths.infra("s3").join("roots/.removed-agent-1-0");
        fs_err::create_dir_all(left.join("content/00")).expect("what a crash left");
        buckets.remove(&name).await.expect("removed without a server");
        assert_eq!(fs_err::read_dir(paths.infra("s3").join("roots")).expect("roots").count(), 0);
        assert_eq!(buckets.inspect(&name).await.expect("a state"), BucketState::Absent);
    });
}

#[test]
fn the_object_browser_shows_and_changes_only_with_a_login() {
    let world = World::new();
    let (server, one, _) = two_agents(&world);
    let hostile = "<script>alert(1)\"'&.html";
    let path = format!("/agent-1/dir/{}", encode(hostile));
    assert_eq!(one.send("PUT", &path, b"<script>alert(2)</script>").status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let console = |method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]| {
        send(server.console_port, method, target, headers, body)
    };
    assert!(console("GET", "/", &[], b"").text().contains("<form"));
    let wrong = console("POST", "/login", &form, b"access_key=agent-1&secret_key=secret-agent-2");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (403, None));
    let login = console("POST", "/login", &form, b"access_key=agent-1&secret_key=secret-agent-1");
    let home = login.header("location").expect("a page").to_owned();
    let cookie = login.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(cookie.contains(&format!("Path={home}")), "the cookie must not go to other ports' pages: {cookie}");
    let pair = cookie.split(';').next().expect("a pair").to_owned();
    assert_eq!(console("GET", &home, &[], b"").status, 403, "without the cookie");
    let cookies = [("cookie", pair.as_str())];
    let page = console("GET", &format!("{home}?prefix=dir%2F"), &cookies, b"").text();
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let download = console("GET", &format!("{home}download?key=dir%2F{}", encode(hostile)), &cookies, b"");
    assert_eq!(download.body, b"<script>alert(2)</script>");
    assert!(download.header("content-disposition").expect("a disposition").starts_with("attachment"));
    assert_eq!(download.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(download.header("content-type"), Some("application/octet-stream"));
    // What changes something needs the token of the page besides the cookie.
    let token = page.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let upload = format!("{home}upload?key=dir%2Fnew");
    assert_eq!(console("PUT", &upload, &cookies, b"new").status, 403);
    assert_eq!(console("PUT", &upload, &[cookies[0], ("x-token", token)], b"new").status, 204);
    assert_eq!(one.send("GET", "/agent-1/dir/new", b"").body, b"new");
    let delete = format!("{home}delete");
    assert_eq!(console("POST", &delete, &[cookies[0], form[0]], b"key=dir%2Fnew").status, 403);
    let body = format!("token={token}&key={}", encode(&encode(&format!("dir/{hostile}"))));
    assert_eq!(console("POST", &delete, &[cookies[0], form[0]], body.as_bytes()).status, 303);
    assert_eq!(one.send("GET", &path, b"").status, 404);
    assert_eq!(one.send("GET", "/agent-1/dir/new", b"").status, 200);
    // A changed key ends the login.
    server.key_file("agent-1", "changed", 0);
    assert_eq!(console("GET", &home, &cookies, b"").status, 403);
}

#[test]
fn a_bucket_can_stand_in_the_host() {
    let world = World::new();
    let (server, one, two) = two_agents(&world);
    let host = format!("agent-1.localhost:{}", server.port);
    let headers = [("host", host.as_str())];
    assert_eq!(one.send_with("PUT", "/x", &[], &headers, b"x").status, 200);
    assert_eq!(one.send("GET", "/agent-1/x", b"").body, b"x");
    assert_eq!(two.send_with("GET", "/x", &[], &headers, b"").status, 403);
}

#[test]
fn a_taken_port_is_named_and_sigterm_ends_cleanly() {
    let world = World::new();
    let (mut server, one, _) = two_agents(&world);
    assert_eq!(one.send("PUT", "/agent-1/x", b"x").status, 200);
    let (port, other) = (server.port.to_string(), world.ports.at(7).to_string());
    for (port, console_port) in [(&port, &other), (&other, &port)] {
        let root = world.path("other");
        let args = ["serve", "s3", "--root", root.as_str(), "--port", port, "--console-port", console_port];
        let output = world.harness(args).output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(told.contains(&format!("port {}", server.port)), "{told}");
    }
    assert_eq!(server.terminate().code(), Some(0));
    let left: Vec<_> = server.root.join("roots/agent-1").read_dir_utf8().expect("a root").collect();
    assert_eq!(left.len(), 2, "the index is closed into one file: {left:?}");
}

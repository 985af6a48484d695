//! The whole life of a demo: what a person does in it, what is killed under it, and that nothing stays.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use agent_harness::model::status::Exit;
use base64::Engine as _;
use camino::Utf8Path;
use serde_json::{Value, json};

use super::{
    git, modified, overwrite,
    shop::{Answer, Shop, kill, wait},
    verify, worktree,
};
use crate::{
    s3::raw::{self, Signer},
    world::{postgres::bin_dir, tools},
};

/// What the page of agent 1 made.
struct Made {
    order: u64,
    file: String,
    mail: String,
}

#[test]
fn a_demo_from_its_start_to_its_removal() {
    let mut shop = Shop::new();
    starts_once(&shop);
    let made = the_pages_work(&shop);
    nothing_of_one_is_the_others(&shop, &made);
    verify::tells_what_is_wrong_and_where(&shop);
    restarts_follow_contents(&shop);
    worktree::is_its_agents_alone(&shop);
    an_app_process_that_dies_is_back(&shop);
    services_that_die_are_back(&shop, &made);
    supervision_may_die(&shop);
    nothing_stays(&mut shop);
}

fn starts_once(shop: &Shop) {
    let first = shop.json(&["demo", "--json"]);
    assert_eq!(first["checkout"], shop.checkout.as_str());
    let agents = first["agents"].as_array().expect("agents");
    let ids: Vec<&Value> = agents.iter().map(|agent| &agent["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2)]);
    let before =
        (shop.running(), git(&shop.checkout, &["rev-parse", "HEAD"]), modified(&shop.checkout, ".env.agent.1"));
    assert!(before.0.iter().all(|(_, _, pid, restarts)| pid.is_some() && *restarts == 0), "{:?}", before.0);

    let mut again = shop.json(&["demo", "--json"]);
    for (agent, first) in again["agents"].as_array_mut().expect("agents").iter_mut().zip(agents) {
        assert_eq!(agent["outcome"].take(), json!({ "unchanged": { "moved_on": [] } }));
        assert_eq!(agent["urls"], first["urls"]);
    }
    let after = (shop.running(), git(&shop.checkout, &["rev-parse", "HEAD"]), modified(&shop.checkout, ".env.agent.1"));
    assert_eq!(after, before);
}

fn the_pages_work(shop: &Shop) -> Made {
    let file = shop.world.path("home/a file.txt");
    overwrite(&file, "what a person attaches\n");
    let modules = tools::npm("demo");
    let script = modules.join("pages.mjs");
    // Modules are looked for beside the script.
    fs_err::copy(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/demo/pages.mjs"), &script)
        .expect("the script");
    let chromium = shop.program(&["sh", "-c", "command -v chromium || echo 'apt-get install chromium'"]);
    let urls = [1, 2].map(|id| format!("http://localhost:{}", shop.frontend(id)));
    let made = shop.program(&["node", script.as_str(), chromium.trim(), file.as_str(), &urls[0], &urls[1]]);
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    Made { order: made["order"].as_u64().expect("a number"), file: text("file"), mail: text("mail") }
}

/// What agent 1 made is all there.
fn is_kept(shop: &Shop, made: &Made) {
    let order = shop.get_json(1, &format!("/api/v1/orders/{}", made.order));
    assert_eq!(order["customer"], "Ada Först <b>");
    assert_eq!(order["files"][0]["id"], made.file.as_str());
    let object = format!("/agent-1/{}", key(made));
    assert_eq!(signer(shop, 1).send("GET", &object, b"").text(), "what a person attaches\n");
    let mails = shop.get_json(1, "/api/v1/mailbox");
    assert_eq!((&mails["total"], &mails["messages"][0]["id"]), (&json!(1), &json!(made.mail)));
}

fn key(made: &Made) -> String {
    format!("orders/{}/{}", made.order, made.file)
}

/// Signs with the credentials of an agent's env file.
fn signer(shop: &Shop, id: u16) -> Signer {
    assert_eq!(shop.env(id, "S3_REGION"), "us-east-1");
    let (access_key, secret) = (shop.env(id, "S3_ACCESS_KEY"), shop.env(id, "S3_SECRET_KEY"));
    Signer { port: shop.world.ports.at(1), access_key, secret }
}

/// Asks `database` who it is, with the credentials of agent `id`.
fn ask_database(shop: &Shop, id: u16, database: &str) -> (bool, String) {
    let mut psql = Command::new(bin_dir().join("psql"));
    psql.args(["-XAtqc", "SELECT current_database()"]).env_clear().env("LC_ALL", "C").env("PGDATABASE", database);
    for (ours, theirs) in [
        ("PGHOST", "DATABASE_HOST"),
        ("PGPORT", "DATABASE_PORT"),
        ("PGUSER", "DATABASE_USER"),
        ("PGPASSWORD", "DATABASE_PASSWORD"),
    ] {
        psql.env(ours, shop.env(id, theirs));
    }
    let output = psql.output().expect("psql runs");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned())
}

/// Asks the mail server with the credentials of agent `id`.
fn ask_mail(shop: &Shop, id: u16, target: &str) -> raw::Answer {
    let login = format!("{}:{}", shop.env(id, "EMAIL_SMTP_USER"), shop.env(id, "EMAIL_SMTP_PASSWORD"));
    let login = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
    raw::send(shop.world.ports.at(5), "GET", target, &[("authorization", &login)], b"")
}

fn nothing_of_one_is_the_others(shop: &Shop, made: &Made) {
    is_kept(shop, made);
    assert_eq!(ask_database(shop, 2, "agent_2"), (true, "agent_2".to_owned()));
    let (connected, answer) = ask_database(shop, 2, "agent_1");
    assert!(!connected && answer.contains("FATAL") && answer.contains("database \"agent_1\""), "{answer}");

    let two = signer(shop, 2);
    let object = format!("/agent-1/{}", key(made));
    for (method, path) in
        [("GET", "/agent-1"), ("GET", &object), ("HEAD", &object), ("PUT", "/agent-1/x"), ("DELETE", &object)]
    {
        assert_eq!(two.send(method, path, b"").status, 403, "{method} {path}");
    }
    let copied = two.send_with("PUT", "/agent-2/copy", &[], &[("x-amz-copy-source", &object)], b"");
    assert_eq!(copied.status, 403, "{}", copied.text());
    assert_eq!(two.send("PUT", "/agent-2/../agent-1/x", b"of 2").status, 200);
    assert_eq!(two.send("GET", "/agent-2/../agent-1/x", b"").text(), "of 2");
    assert_eq!(signer(shop, 1).send("GET", "/agent-1/x", b"").status, 404);

    let mail = format!("/api/v1/message/{}", made.mail);
    assert_eq!(ask_mail(shop, 1, &mail).status, 200);
    assert_eq!(ask_mail(shop, 2, &mail).status, 404);
    let list: Value = serde_json::from_slice(&ask_mail(shop, 2, "/api/v1/messages").body).expect("JSON");
    assert_eq!((&list["total"], &list["messages"]), (&json!(0), &json!([])));
}

/// Touches a route: the app's own generator writes the same again, and says so.
fn touch_a_route(shop: &Shop) {
    let written = || [1, 2].map(|id| shop.count(id, "routes-watch", "routes written"));
    let before = written();
    shop.touch("packages/backend/src/routes/about.ts");
    assert!(wait(|| written().iter().zip(before).all(|(now, before)| *now > before)), "the generator does not run");
}

fn restarts_follow_contents(shop: &Shop) {
    let starts = || [1, 2].map(|id| shop.process(id, "api").restarts);
    let before = starts();
    shop.touch("packages/backend/src/app.ts");
    fs_err::create_dir(shop.checkout.join("packages/backend/src/dist")).expect("a folder that git ignores");
    shop.write("packages/backend/src/dist/ignored.ts", "export {};\n");
    overwrite(&shop.world.path("elsewhere/linked.ts"), "export {};\n");
    touch_a_route(shop);

    // An edit that restarts is seen after all that should not; a restart too many is in the next count.
    let source = shop.checkout.join("packages/common/src/money.ts");
    let text = fs_err::read_to_string(&source).expect("a source");
    for edit in 1..=2 {
        let built = || [1, 2].map(|id| shop.count(id, "common-watch", "Found 0 errors"));
        let builds = built();
        // As editors save: nobody ever reads half a file.
        let new = shop.world.path("home/edit.ts");
        overwrite(&new, &format!("{text}\nexport const edit = {edit};\n"));
        fs_err::rename(&new, &source).expect("saved");
        for id in [1, 2] {
            let wanted = before[usize::from(id) - 1] + edit;
            let api = shop.wait_ready(id, "api", |api| api.restarts >= wanted);
            assert_eq!(api.restarts, wanted, "agent {id} after edit {edit}");
        }
        let dist = shop.checkout.join("packages/common/dist/money.js");
        assert!(fs_err::read_to_string(dist).expect("what was built").contains(&format!("edit = {edit};")));
        // The compiler may look twice; what it writes the second time is the same.
        assert!(wait(|| built().iter().zip(builds).all(|(now, before)| *now > before)), "{:?}", built());
        touch_a_route(shop);
    }
    assert_eq!(starts(), before.map(|count| count + 2));
}

fn an_app_process_that_dies_is_back(shop: &Shop) {
    let (before, other) = (shop.process(1, "api"), shop.processes(2));
    kill(before.pid.expect("it runs"));
    let after = shop.wait_ready(1, "api", |api| api.pid != before.pid);
    assert_eq!((after.restarts, after.last_exit), (before.restarts + 1, Some(Exit::Signal(9))));
    shop.get(1, "/api/v1/orders");
    assert_eq!(shop.processes(2), other);
}

fn services_that_die_are_back(shop: &Shop, made: &Made) {
    for name in ["postgres", "s3", "mail", "browser"] {
        let before = shop.running();
        let pid = shop.process(0, name).pid;
        kill(pid.expect("it runs"));
        let after = shop.wait_ready(0, name, |process| process.pid != pid);
        assert_eq!((after.restarts, after.last_exit), (1, Some(Exit::Signal(9))), "{name}");
        let alone: Vec<_> = shop.running().into_iter().filter(|process| !before.contains(process)).collect();
        assert_eq!(alone, [(0, name.to_owned(), after.pid, 1)]);
        is_kept(shop, made);
        let taken = raw::send(shop.frontend(1), "POST", "/api/v1/screenshot", &[], b"");
        assert_eq!(taken.status, 201, "{name}: {}", taken.text());
    }
}

fn supervision_may_die(shop: &Shop) {
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let page = scope.spawn(|| use_the_page(shop, &ends));
        let processes = shop.processes(1);
        for victim in ["supervisor", "keeper", "both"] {
            let before = shop.supervision();
            if victim != "keeper" {
                kill(before.supervisor_pid);
            }
            if victim != "supervisor" {
                kill(before.keeper_pid);
            }
            // The first answer is right: it is not waited for.
            assert_eq!(shop.processes(1), processes, "{victim}");
            assert!(wait(|| {
                let now = shop.supervision();
                (victim == "keeper") == (now.supervisor_pid == before.supervisor_pid)
                    && (victim == "supervisor") == (now.keeper_pid == before.keeper_pid)
            }));
        }
        ends.store(true, Ordering::Relaxed);
        let asked = page.join().expect("no request fails");
        assert!(asked > 10, "{asked} requests only");
    });
    let before = shop.processes(1);
    let restarted = shop.run(&["cli", "1", "restart", "api"]);
    assert_eq!(restarted.code, 0, "{}", restarted.stderr);
    for (name, after) in shop.processes(1) {
        assert_eq!(after.restarts - before[&name].restarts, u32::from(name == "api"), "{name}");
    }
    shop.get(1, "/api/v1/orders");
}

/// Uses the page until `ends`; a request that fails is a panic.
fn use_the_page(shop: &Shop, ends: &AtomicBool) -> usize {
    let mut asked = 0;
    let failed = wait(|| {
        shop.get(1, "/");
        shop.get(1, "/api/v1/orders");
        asked += 2;
        ends.load(Ordering::Relaxed)
    });
    assert!(failed, "it was not told to end");
    asked
}

fn nothing_stays(shop: &mut Shop) {
    let kept = shop.world.path("cache/obtained/kept");
    fs_err::create_dir_all(&kept).expect("a folder in the cache");
    let postmasters: Vec<i32> =
        shop.process(0, "postgres").pid.map(|pid| pid.try_into().expect("a pid")).into_iter().collect();
    assert!(!marked(&shop.world.path("")).is_empty());
    assert!(!listening(shop).is_empty());

    let running = shop.running();
    let Answer { code, stderr, .. } = shop.run(&["demo", "--stop"]);
    assert_eq!(code, 4, "{stderr}");
    for what in ["packages/common/src/money.ts", "packages/backend/src/linked", "demo --stop --force"] {
        assert!(stderr.contains(what), "{stderr}");
    }
    assert_eq!(shop.running(), running);
    git(&shop.checkout, &["checkout", "--quiet", "packages/common"]);
    fs_err::remove_file(shop.checkout.join("packages/backend/src/linked")).expect("the link");

    let stopped = shop.json(&["demo", "--stop", "--json"]);
    assert_eq!(stopped, json!({ "agents": [1, 2], "infra_kept_for": null }));
    assert_eq!(marked(&shop.world.path("")), Vec::<String>::new());
    assert_eq!(listening(shop), Vec::<u16>::new());
    assert!(!shop.world.path("state").exists());
    let shared = fs_err::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let creator = |line: &str| line.split_whitespace().nth(4).and_then(|pid| pid.parse::<i32>().ok());
    assert!(!shared.lines().filter_map(creator).any(|pid| postmasters.contains(&pid)), "{shared}");
    assert!(kept.exists());
    assert_eq!(entries(&shop.world.path("tmp")), Vec::<String>::new());
    shop.is_gone();
    let again = shop.json(&["demo", "--stop", "--json"]);
    assert_eq!(again, json!({ "agents": [], "infra_kept_for": null }));
}

fn entries(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_owned()).collect()
}

/// The processes that have anything to do with the world at `root`, by what they run, where, or with which environment.
fn marked(root: &Utf8Path) -> Vec<String> {
    let root = root.as_str().trim_end_matches('/').as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(root.len()).any(|window| window == root);
    let mut marked = Vec::new();
    for process in procfs::process::all_processes().expect("/proc").flatten() {
        let folder = format!("/proc/{}", process.pid);
        let files = ["environ", "cmdline"].map(|name| fs_err::read(format!("{folder}/{name}")).unwrap_or_default());
        let cwd = process.cwd().unwrap_or_default();
        if files.iter().any(|bytes| holds(bytes)) || holds(cwd.as_os_str().as_encoded_bytes()) {
            marked.push(format!("{}: {}", process.pid, String::from_utf8_lossy(&files[1])));
        }
    }
    marked
}

/// The world's ports that somebody listens on.
fn listening(shop: &Shop) -> Vec<u16> {
    let ours = shop.world.ports.at(0)..=shop.world.ports.at(199);
    let tables = [procfs::net::tcp(), procfs::net::tcp6().or_else(|_| Ok(Vec::new()))];
    let sockets = tables.into_iter().flat_map(|table| table.expect("/proc/net"));
    let listening = sockets.filter(|socket| socket.state == procfs::net::TcpState::Listen);
    listening.map(|socket| socket.local_address.port()).filter(|port| ours.contains(port)).collect()
}

#[test]
fn edits_are_lost_only_by_force() {
    let shop = Shop::new();
    let refused = shop.run(&["demo", "--stop"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(shop.checkout.join("packages/backend/src/linked").exists());
    let forced = shop.run(&["demo", "--stop", "--force"]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    assert!(!shop.world.path("state").exists());
    assert!(shop.world.path("elsewhere").exists());
}

#[test]
fn the_guestbooks_own_tests_pass() {
    let mut python = Command::new("python3");
    python.args(["-m", "unittest", "discover", "-s", "tests", "-t", "."]).env("PYTHONDONTWRITEBYTECODE", "1");
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guestbook");
    let output = python.current_dir(folder).output().expect("python3 (apt-get install python3)");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("Ran "), "{told}");
}

//! `launch`: healthy and proven, changing nothing when it runs, saying what is in the way, whole after every crash.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use agent_harness::{config::environment::Environment, process::cmd};
use rustix::process::Signal;

use crate::world::{
    project::Project,
    run::{Running, until},
};

/// A page that answers with its own agent.
fn page(url: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { reqwest::get(url).await.expect("an answer").text().await.expect("a text") })
}

#[test]
fn an_agent_becomes_healthy_once_and_stays_as_it_is() {
    let project = Project::guestbook();
    let first = project.ok(&["launch", "1", "--json"]).json();
    assert_eq!(first["urls"]["web"], project.url(1));
    assert!(first["outcome"]["launched"]["steps"].as_object().is_some_and(|steps| steps.len() >= 8), "{first}");
    assert!(page(&project.url(1)).contains("Guestbook of <span data-testid=\"owner\">agent-1"));

    let before = project.pids(1);
    let again = project.ok(&["launch", "1"]).says(&["Agent 1 runs; nothing was changed."]);
    assert!(again.out.contains(&project.url(1)), "{}", again.out);
    assert_eq!(project.json(&["launch", "1", "--json"])["outcome"]["unchanged"]["moved_on"], serde_json::json!([]));
    assert_eq!(project.pids(1), before);

    // What moved on is said, and the command that is named brings it up.
    project.edit_manifest("PYTHONUNBUFFERED        = \"1\"", "PYTHONUNBUFFERED        = \"2\"");
    project.ok(&["launch", "1"]).says(&["web changed: agent-harness launch 1 --update"]);
    assert_eq!(project.pids(1), before);
    project.ok(&["launch", "1", "--update"]);
    assert_ne!(project.pids(1), before);
    assert_eq!(project.env(1, "PYTHONUNBUFFERED"), "2");

    // The lowest id that is free and usable.
    project.ok(&["launch", "3"]);
    assert_eq!(project.json(&["launch", "next", "--json"])["id"], 2);

    // An infra that was stopped is started again, and the processes that run are left alone.
    let before = project.pids(1);
    project.ok(&["infra", "stop"]);
    project.run(&["cli", "1", "health"]).exits(1);
    project.ok(&["launch", "1"]);
    project.ok(&["cli", "1", "health"]);
    assert_eq!(project.pids(1), before);
}

#[test]
fn launches_of_the_same_instant_all_become_healthy() {
    let project = Project::guestbook();
    // Nothing is there yet: one of them sets the infra up and builds the template, the others wait for it.
    let launches: Vec<Running> = ["3", "4", "5"].iter().map(|id| project.start(&["launch", id])).collect();
    for launch in launches {
        launch.wait().exits(0);
    }
    for id in [3, 4, 5] {
        assert!(page(&project.url(id)).contains(&format!("agent_{id}<")));
    }
    let agents = project.json(&["ls", "--check", "--json"]);
    assert!(agents.as_array().is_some_and(|agents| agents.iter().all(|agent| agent["health"]["healthy"] == true)));
    // Another command on an agent that is being changed waits, and then says who it waits for.
    let templates = project.json(&["template", "list", "--json"]);
    assert_eq!(templates.as_array().map(Vec::len), Some(1), "{templates}");
}

#[test]
fn ports_that_cannot_be_had_are_said_before_anything_is_done() {
    let project = Project::guestbook();
    project.run(&["launch", "0"]).exits(2);
    project.run(&["launch", "x"]).exits(2);
    project.run(&["launch", "5000"]).exits(2);
    let base = project.world.ports.at(20);
    // Port of one id is the other port of another.
    project.edit_manifest(
        "[urls]",
        &format!("side = {}\n[urls]\nside = \"http://localhost:{{{{ ports.side }}}}\"", base + 10),
    );
    project.run(&["launch", "2"]).exits(2).says(&[&format!("port {}", base + 20), "agent 2", "agent 1"]);
    // 4665 + 10 * 200 is one of the ports that browsers refuse.
    project.edit_manifest(&format!("side = {}", base + 10), "side = 4665");
    project.run(&["launch", "200"]).exits(2).says(&["port 6665", "browsers refuse"]);
    project.edit_manifest("side = 4665\n[urls]\nside = \"http://localhost:{{ ports.side }}\"", "[urls]");
    assert_eq!(project.processes(), []);
    assert_eq!(project.state_files().iter().filter(|file| file.starts_with("agents/")).count(), 0);

    for address in ["127.0.0.1", "::1"] {
        let listener = TcpListener::bind((address, project.port(1, 0))).expect("the agent's port");
        let begun = Instant::now();
        project
            .run(&["launch", "1"])
            .exits(4)
            .says(&[&format!("port {}", project.port(1, 0)), &format!("(pid {})", std::process::id())]);
        assert!(begun.elapsed() < Duration::from_mins(1));
        drop(listener);
    }
    // The infra's port too.
    project.ok(&["teardown", "--all"]);
    project.ok(&["infra", "stop"]);
    let listener = TcpListener::bind(("127.0.0.1", project.world.ports.at(0))).expect("the server's port");
    project.run(&["launch", "1"]).exits(4).says(&["postgres", &format!("(pid {})", std::process::id())]);
    drop(listener);
    project.ok(&["launch", "1"]);
}

#[test]
fn what_is_wrong_or_missing_is_named_with_what_to_do() {
    let project = Project::guestbook();
    let manifest = "agent-harness/harness.toml";
    let good = fs_err::read_to_string(project.root.join(manifest)).expect("a manifest");

    project.write(manifest, &good.replace("services =", "servces ="));
    project.run(&["launch", "1"]).exits(2).says(&["harness.toml:16:1", "servces", "services"]);
    project.write(manifest, &good.replace("{{ ports.web }}\"\n\n[infra]", "{{ ports.wep }}\"\n\n[infra]"));
    project.run(&["launch", "1"]).exits(2).says(&["harness.toml:13:25", "ports.wep"]);

    project.write(manifest, &good.replace("\"python3\"\nversion", "\"no-such-python\"\nversion"));
    project.run(&["launch", "1"]).exits(3).says(&["no-such-python is not in PATH", "apt-get install python3"]);
    project.write(manifest, &good.replace("\"3.9\"", "\"99\""));
    project.run(&["launch", "1"]).exits(3).says(&["at least 99 is needed", "apt-get install python3"]);

    project.write(manifest, &good);
    let mut elsewhere = project.command(&["launch", "1"]);
    crate::world::run::run(elsewhere.current_dir(project.world.path("home")))
        .exits(2)
        .says(&["is in no git repository"]);
    assert_eq!(project.processes(), []);
}

#[test]
fn a_failing_migration_leaves_no_template_and_only_its_layer_is_done_again() {
    let project = Project::with(
        r#"
name = "layers"
[ports]
web = 4000
[infra]
services = ["postgres"]
[[template.step]]
name = "first"
run = "sh -c 'echo first >> ran; exec python3 -m app.sql \"CREATE TABLE first (n int)\"'"
inputs = ["first/**"]
[[template.step]]
name = "second"
run = "sh second/run"
inputs = ["second/**"]
[env]
PGHOST = "{{ postgres.host }}"
PGPORT = "{{ postgres.port }}"
PGDATABASE = "{{ postgres.database }}"
PGUSER = "{{ postgres.user }}"
PGPASSWORD = "{{ postgres.password }}"
[[process]]
name = "web"
run = "python3 -u -m http.server --bind 127.0.0.1 {{ ports.web }}"
ready = { tcp = "web" }
"#,
    );
    project.write("first/input", "");
    project.write("second/run", "echo second >> ran; exec python3 -m app.sql 'SELECT this_is_wrong'\n");
    let failed = project.run(&["launch", "1"]).exits(5).says(&["second", "this_is_wrong"]);
    let log = failed.err.lines().rev().flat_map(|line| line.split(|c| "()`'".contains(c))).find_map(|part| {
        let path = part.trim().trim_start_matches("log: ").trim_start_matches("cat ");
        std::path::Path::new(path).is_file().then(|| path.to_owned())
    });
    let log = fs_err::read_to_string(log.unwrap_or_else(|| panic!("no log is named: {}", failed.err))).expect("a log");
    assert!(log.contains("this_is_wrong"), "{log}");
    let rows = project.json(&["template", "list", "--json"]);
    let steps: Vec<_> = rows.as_array().expect("rows").iter().map(|row| row["step"].clone()).collect();
    assert_eq!(steps, ["first"], "{rows}");
    // Nothing that could be taken for a whole template is there.
    let rows = project.json(&["template", "list", "--json"]);
    assert!(!rows.to_string().contains("\"database\":\"layers_template\""), "{rows}");
    project.run(&["cli", "1", "status"]).exits(1);

    project.write("second/run", "echo second >> ran; exec python3 -m app.sql 'CREATE TABLE second (n int)'\n");
    project.ok(&["launch", "1"]);
    assert_eq!(fs_err::read_to_string(project.root.join("ran")).expect("what ran"), "first\nsecond\nsecond\n");
    project.ok(&["cli", "1", "psql", "SELECT * FROM first, second"]);
}

/// Interrupts `args` when the binary has said `count` lines, or at once. `false` when it came to its end before.
fn interrupt(project: &Project, args: &[&str], signal: Signal, count: usize) -> bool {
    let mut running = project.start(args);
    for _ in 0..count {
        if running.line().is_none() {
            break;
        }
    }
    running.signal(signal);
    let ran = running.wait();
    match (signal, ran.code) {
        (_, Some(0)) => false,
        // Without a word of its own it may have ended before it could catch a signal.
        (Signal::INT, Some(130)) | (Signal::KILL, None) => true,
        (Signal::INT, None) if count == 0 => true,
        _ => panic!("an interruption after {count} lines: {ran:?}"),
    }
}

#[test]
fn a_launch_that_was_interrupted_anywhere_is_completed_by_the_next() {
    for signal in [Signal::INT, Signal::KILL] {
        let project = Project::guestbook();
        // No launch can come to its end before there is a file `go`, however quick or slow the machine is.
        let gate = r#"run   = "sh -c 'until [ -e go ]; do sleep 0.05; done; exec python3 -m app.server'""#;
        project.edit_manifest(r#"run   = "python3 -m app.server""#, gate);
        // A shell may have had SIGINT ignored; from its first line on the binary takes it.
        let first = usize::from(signal == Signal::INT);
        for count in first..8 {
            if count % 3 == 1 {
                interrupt(&project, &["setup-infra"], signal, count);
            }
            assert!(interrupt(&project, &["launch", "1"], signal, count), "{signal:?} after {count} lines");
        }
        project.write("go", "");
        project.ok(&["launch", "1"]);
        project.ok(&["cli", "1", "health"]);
        assert!(page(&project.url(1)).contains("agent_1<"));
        // A teardown too, whose supervisor goes on without it.
        for count in 0..4 {
            interrupt(&project, &["teardown", "1"], signal, count);
            if count % 2 == 1 {
                project.ok(&["launch", "1"]);
            }
        }
        project.ok(&["teardown", "1"]);
        let own = |file: &&String| file.starts_with("agents/1") || file.starts_with("stacks/agent-1");
        assert_eq!(project.state_files().iter().filter(own).collect::<Vec<_>>(), Vec::<&String>::new());
        project.ok(&["launch", "1"]);
    }
}

/// A manifest without services whose one process runs `script` with python3.
fn one_process(script: &str, ready: &str) -> Project {
    let project = Project::with(&format!(
        r#"
name = "one"
[ports]
web = 4000
other = 4001
[urls]
web = "http://localhost:{{{{ ports.web }}}}/"
[infra]
services = []
[[process]]
name = "web"
run = "python3 -u web.py {{{{ ports.web }}}} {{{{ ports.other }}}}"
{ready}
"#
    ));
    project.write("web.py", script);
    project
}

#[test]
fn a_process_that_never_gets_ready_fails_the_launch_and_leaves_its_evidence() {
    let script = "import time\nfor n in range(30): print('line', n)\ntime.sleep(1000)\n";
    let project = one_process(script, "ready = { tcp = \"web\", timeout = \"4s\" }");
    project.run(&["launch", "1"]).exits(5).says(&["web is unready", "line 29", "line 20", "agent-harness logs 1"]);
    project.run(&["cli", "1", "status"]).exits(1);
    assert!(project.ok(&["cli", "1", "logs"]).out.contains("line 0"));

    // One that ends at once, again and again, is given up.
    project.write("web.py", "import sys\nprint('no such luck')\nsys.exit(3)\n");
    let ran = project.run(&["launch", "1"]).exits(5).says(&["no such luck", "agent-harness logs 1"]);
    assert!(ran.took < Duration::from_mins(1), "{ran:?}");
}

#[test]
fn an_agent_keeps_the_environment_that_it_was_healthy_in() {
    let server = "import http.server, sys, threading\nfor port in sys.argv[1:]:\n    \
                  server = http.server.HTTPServer(('127.0.0.1', int(port)), http.server.SimpleHTTPRequestHandler)\n    \
                  threading.Thread(target=server.serve_forever).start()\n";
    let project = one_process(server, "ready = { tcp = \"web\", timeout = \"20s\" }");
    project
        .edit_manifest("[infra]", "[[require]]\nprogram = \"python3\"\ninstall = \"apt-get install python3\"\n[infra]");
    // Where git is and nothing else.
    let bare = project.world.path("bare");
    fs_err::create_dir(&bare).expect("a folder");
    let git = cmd::find("git", Environment::of_this_process().get("PATH").expect("a PATH")).expect("git");
    fs_err::os::unix::fs::symlink(git, bare.join("git")).expect("a link");
    let launch = |variable: &str, value: &str, flags: &[&str]| {
        let mut command = project.command(&[&["launch", "1"], flags].concat());
        crate::world::run::run(command.env(variable, value))
    };
    let in_bare = |flags: &[&str]| launch("PATH", bare.as_str(), flags);

    // What was wrong with the first shell is not remembered.
    in_bare(&[]).exits(3).says(&["python3 is not in PATH"]);
    project.ok(&["launch", "1"]);
    let path = project.env(1, "PATH");
    in_bare(&["--refresh-env"]).exits(3).says(&["python3 is not in PATH"]);
    assert_eq!(project.env(1, "PATH"), path);

    // What the second one had is enough, whoever brings it up again.
    project.write("web.py", "import sys\nprint('no such luck')\nsys.exit(3)\n");
    project.run(&["cli", "1", "restart"]).exits(5).says(&["no such luck"]);
    project.write("web.py", server);
    in_bare(&[]).exits(0);

    launch("LANG", "C", &[]).exits(0).says(&["runs"]);
    assert_eq!(project.env(1, "LANG"), "C.UTF-8");
    launch("LANG", "C", &["--refresh-env"]).exits(0);
    let (_, pid) = project.pids(1).remove(0);
    let environment = fs_err::read_to_string(format!("/proc/{pid}/environ")).expect("it runs");
    assert!(environment.split('\0').any(|variable| variable == "LANG=C"), "{environment}");
}

#[test]
fn a_launch_is_proven_by_the_sockets_and_the_printed_page() {
    // It says that it is ready, and listens elsewhere.
    let log = "ready = { log = \"ready\" }";
    let project = one_process(
        "import http.server, sys\nserver = http.server.HTTPServer(('127.0.0.1', int(sys.argv[2])), \
         http.server.SimpleHTTPRequestHandler)\nprint('ready')\nserver.serve_forever()\n",
        log,
    );
    let port = project.port(1, 0);
    project.run(&["launch", "1"]).exits(5).says(&[&format!("port {port}"), "web"]);
    project.ok(&["teardown", "1"]);

    // Somebody else comes between on [::1], which is where a browser goes first.
    project.write(
        "web.py",
        "import http.server, pathlib, sys, threading\n\
         servers = [http.server.HTTPServer(('127.0.0.1', int(port)), http.server.SimpleHTTPRequestHandler) \
         for port in sys.argv[1:]]\n\
         [threading.Thread(target=server.serve_forever).start() for server in servers]\n\
         pathlib.Path('up').touch()\n\
         while not pathlib.Path('go').exists(): threading.Event().wait(0.01)\n\
         print('ready')\n",
    );
    let launch = project.start(&["launch", "1"]);
    until("the process is up", Duration::from_secs(30), || project.root.join("up").exists().then_some(()));
    let foreign = TcpListener::bind(("::1", port)).expect("the other loopback address");
    project.write("go", "");
    launch.wait().exits(5).says(&[&format!("port {port}"), &format!("(pid {})", std::process::id())]);
    drop(foreign);
    // As soon as it is gone, the same command succeeds.
    project.ok(&["launch", "1"]);
}

#[test]
fn a_page_that_takes_its_time_is_waited_for() {
    let project = one_process(
        "import http.server, sys, threading, time\n\
         class Slow(http.server.SimpleHTTPRequestHandler):\n    \
             def do_GET(self):\n        time.sleep(3)\n        super().do_GET()\n\
         for port in sys.argv[1:]:\n    \
             server = http.server.ThreadingHTTPServer(('127.0.0.1', int(port)), Slow)\n    \
             threading.Thread(target=server.serve_forever).start()\n",
        "ready = { tcp = \"web\" }",
    );
    project.ok(&["launch", "1"]);
}

//! The nine `cli` commands: they return by themselves and tell the truth, with and without `--json`.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{
    project::Project,
    run::{Running, run, until},
};

const MANIFEST: &str = r#"
name = "cli"
[ports]
web = 4000
[urls]
web = "http://localhost:{{ ports.web }}/"
[infra]
services = ["postgres"]
[[template.step]]
name = "seed"
run = "python3 -m app.sql 'CREATE TABLE notes (text text)'"
inputs = ["app/sql.py"]
[env]
PORT = "{{ ports.web }}"
WHO = "it's {{ name }} = # here"
PGHOST = "{{ postgres.host }}"
PGPORT = "{{ postgres.port }}"
PGDATABASE = "{{ postgres.database }}"
PGUSER = "{{ postgres.user }}"
PGPASSWORD = "{{ postgres.password }}"
[[process]]
name = "web"
run = "python3 -u -m http.server --bind 127.0.0.1 {{ ports.web }}"
cwd = "public"
ready = { http = "/", port = "web", timeout = "30s" }
[[process]]
name = "talker"
run = "sh -c 'for n in 1 2 3 4 5; do echo \"line $n of $PGUSER\"; done; exec sleep 1000'"
[[process]]
name = "idle"
run = "sleep 1000"
"#;

const ON_DEMAND: &str = r#"
name = "on-demand"
[ports]
web = 4000
worker = 4001
[infra]
services = []
[[process]]
name = "web"
run = "python3 -u -m http.server --bind 127.0.0.1 {{ ports.web }}"
cwd = "public"
ready = { http = "/", port = "web", timeout = "30s" }
[[process]]
name = "worker"
run = "python3 -u -m http.server --bind 127.0.0.1 {{ ports.worker }}"
cwd = "public"
ready = { http = "/", port = "worker", timeout = "30s" }
enabled = false
"#;

/// The keys of a value and what they hold, without the values.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(items) => format!("[{}]", items.first().map(shape).unwrap_or_default()),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", shape(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// Variables in the form of `/proc/<pid>/environ` and `env -0`.
fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn pid_of(project: &Project, id: u16, name: &str) -> u64 {
    project.pids(id).into_iter().find(|(process, _)| process == name).expect("a process of that name").1
}

#[test]
fn the_commands_of_an_agent_return_and_tell_the_truth() {
    let project = Project::with(MANIFEST);
    // What the caller's shell has of its own must reach no process.
    let mut launch = project.command(&["launch", "1"]);
    run(launch.env("PORT", "9999").env("GITHUB_TOKEN", "ghp_secret").env("LC_TIME", "C")).exits(0);
    project.ok(&["launch", "2"]);

    status(&project);
    urls(&project);
    environment(&project);
    logs(&project);
    sql(&project);
    slow_queries(&project);
    stats(&project);
    restart(&project);
    health(&project);
    unknown(&project);
}

#[test]
fn a_process_that_nobody_started_is_not_asked() {
    let project = Project::with(ON_DEMAND);
    project.ok(&["launch", "1"]);
    let names = |health: &Value| -> Vec<Value> {
        let checks = health["checks"].as_array().expect("checks");
        checks.iter().map(|check| check["name"].clone()).collect()
    };
    assert_eq!(names(&project.json(&["cli", "1", "health", "--json"])), ["processes", "web"]);

    project.ok(&["cli", "1", "restart", "worker"]);
    assert_eq!(names(&project.json(&["cli", "1", "health", "--json"])), ["processes", "web", "worker"]);
}

fn status(project: &Project) {
    let text = project.ok(&["cli", "1", "status"]).out;
    assert!(text.starts_with("agent 1: running"), "{text}");
    let json = project.json(&["cli", "1", "status", "--json"]);
    assert_eq!(
        shape(&json),
        "{id: number, state: text, project: text, workdir: text, branch: null, url: text, processes: [{name: text, state: text, \
         pid: number, started: text, ready_after_ms: number, restarts: number, last_exit: null, reason: null}]}"
    );
    for process in json["processes"].as_array().expect("processes") {
        let (name, pid) = (process["name"].as_str().expect("a name"), &process["pid"]);
        assert_eq!(process["state"], "ready");
        assert!(text.contains(name) && text.contains(&pid.to_string()), "{text}");
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "{process}");
    }
    // The same command at the top level.
    assert_eq!(project.json(&["status", "1", "--json"]), json);
}

fn urls(project: &Project) {
    assert_eq!(project.ok(&["cli", "1", "url"]).out, format!("web  {}/\n", project.url(1)));
    assert_eq!(
        project.json(&["cli", "1", "url", "--json"]),
        serde_json::json!({ "web": format!("{}/", project.url(1)) })
    );
}

fn environment(project: &Project) {
    let pid = pid_of(project, 1, "idle");
    let mut of_process = variables(&fs_err::read(format!("/proc/{pid}/environ")).expect("an environment"));
    // Marks of the supervisor, no part of the environment that an app can rely on.
    of_process.retain(|name, _| !name.starts_with("AGENT_HARNESS_"));
    let of_exec = variables(project.ok(&["cli", "1", "exec", "env", "-0"]).out.as_bytes());
    assert_eq!(of_exec, of_process);
    assert_eq!(of_exec["PORT"], project.port(1, 0).to_string());
    assert_eq!(of_exec["WHO"], "it's agent-1 = # here");
    assert_eq!(of_exec["LC_TIME"], "C");
    assert!(!of_exec.contains_key("GITHUB_TOKEN"));
    assert!(!of_exec.contains_key("AGENT_DB_PORT"), "{of_exec:?}");
    for (_, pid) in project.pids(1) {
        let bytes = fs_err::read(format!("/proc/{pid}/environ")).expect("an environment");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("9999") && !text.contains("ghp_secret"), "{text}");
    }
    // Also where exec itself is called with them.
    let mut exec = project.command(&["cli", "1", "exec", "sh", "-c", "echo $PORT${GITHUB_TOKEN-}; exit 42"]);
    let ran = run(exec.env("PORT", "9999").env("GITHUB_TOKEN", "ghp_secret")).exits(42);
    assert_eq!(ran.out, format!("{}\n", project.port(1, 0)));
    project.run(&["cli", "1", "exec", "--", "false"]).exits(1);
    project.run(&["cli", "1", "exec", "no-such-program"]).exits(3).says(&["no-such-program"]);
    project.run(&["cli", "1", "exec"]).exits(2);
    // In the workdir, and where the caller is inside it.
    assert_eq!(project.ok(&["cli", "1", "exec", "pwd"]).out.trim_end(), project.root.as_str());
    let mut inside = project.command(&["cli", "1", "exec", "pwd"]);
    let ran = run(inside.current_dir(project.root.join("public"))).exits(0);
    assert_eq!(ran.out.trim_end(), project.root.join("public").as_str());
}

fn logs(project: &Project) {
    let lines = |args: &[&str]| project.ok(args).out.lines().map(str::to_owned).collect::<Vec<_>>();
    let all = lines(&["cli", "1", "logs", "talker"]);
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(all[4].ends_with("Z line 5 of agent_1"), "{all:?}");
    assert_eq!(lines(&["cli", "1", "logs", "talker", "-n", "2"]), all[3..]);
    let mixed = lines(&["cli", "1", "logs"]);
    assert!(mixed.iter().any(|line| line.contains("talker | line 1 of agent_1")), "{mixed:?}");
    assert!(!mixed.iter().any(|line| line.contains("agent_2")), "{mixed:?}");
    for line in project.ok(&["cli", "1", "logs", "talker", "--json"]).out.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON on every line");
        assert_eq!(shape(&line), "{time: text, process: text, line: text}");
    }
    project.run(&["cli", "1", "logs", "nobody"]).exits(2).says(&["nobody", "talker", "web"]);

    // -f goes on until it is interrupted; what comes is shown.
    let mut command = project.command(&["cli", "1", "logs", "web", "-f", "-n", "0"]);
    let out = project.world.path("followed");
    command.stdout(fs_err::File::create(&out).expect("a file").into_parts().0);
    let follow = Running::start_keeping_stdout(&mut command);
    until("the next line is shown", Duration::from_secs(30), || {
        drop(
            std::net::TcpStream::connect(("127.0.0.1", project.port(1, 0)))
                .and_then(|mut stream| std::io::Write::write_all(&mut stream, b"GET /asked-for HTTP/1.0\r\n\r\n")),
        );
        fs_err::read_to_string(&out).expect("the file").contains("GET /asked-for").then_some(())
    });
    follow.signal(Signal::INT);
    follow.wait().exits(130);
}

fn sql(project: &Project) {
    for id in ["1", "2"] {
        project.ok(&["cli", id, "psql", &format!("INSERT INTO notes VALUES ('of {id}')")]);
    }
    let text = project.ok(&["cli", "1", "psql", "SELECT current_user, text FROM notes"]).out;
    assert!(text.contains("agent_1") && text.contains("of 1") && !text.contains("of 2"), "{text}");
    assert_eq!(
        project.json(&["cli", "1", "psql", "--json", "SELECT text, 1 + 1 AS two, NULL AS nothing FROM notes"]),
        serde_json::json!([{ "text": "of 1", "two": "2", "nothing": null }])
    );
    project.run(&["cli", "1", "psql", "SELECT 1 / 0"]).exits(1).says(&["division by zero"]);
    project.run(&["cli", "1", "psql", "--json", "SELECT 1 / 0"]).exits(1).says(&["division by zero"]);
    // Nobody is asked anything, and stdin is not waited for.
    let mut interactive = project.command(&["cli", "1", "psql"]);
    run(&mut interactive).exits(0);
}

fn slow_queries(project: &Project) {
    project.ok(&["cli", "1", "psql", "SELECT pg_sleep(0.05), 'of one'"]);
    project.ok(&["cli", "2", "psql", "SELECT pg_sleep(0.06), 'of two', 2"]);
    for n in 0..12 {
        let columns = vec!["1"; n + 2].join(", ");
        project.ok(&["cli", "1", "psql", "--json", &format!("SELECT {columns}")]);
    }
    let slow = project.json(&["cli", "1", "slow-queries", "--json"]);
    assert_eq!(
        shape(&slow),
        "[{query: text, calls: number, mean_ms: number, max_ms: number, total_ms: number, rows: number}]"
    );
    let slow = slow.as_array().expect("queries");
    assert_eq!(slow.len(), 10);
    assert_eq!(slow[0]["query"], "SELECT pg_sleep($1), $2");
    let means: Vec<f64> = slow.iter().filter_map(|query| query["mean_ms"].as_f64()).collect();
    assert!(means.is_sorted_by(|a, b| a >= b), "{means:?}");
    let text = project.ok(&["cli", "2", "slow-queries"]).out;
    assert!(text.contains("SELECT pg_sleep($1), $2, $3") && !text.contains("SELECT pg_sleep($1), $2\n"), "{text}");
}

fn stats(project: &Project) {
    let stats = project.json(&["cli", "1", "stats", "--json"]);
    let row = "{name: text, usage: {processes: number, threads: number, cpu_seconds: number, cpu_percent: number, \
               interval_seconds: number, memory_bytes: number, memory_exact: bool, open_files: number}}";
    assert_eq!(shape(&stats), format!("{{id: number, processes: [{row}], total: {row}}}"));
    let sum = |key: &str| -> u64 {
        let rows = stats["processes"].as_array().expect("processes").iter();
        rows.map(|row| row["usage"][key].as_u64().expect("a number")).sum()
    };
    assert_eq!(sum("processes"), stats["total"]["usage"]["processes"].as_u64().expect("a number"));
    assert_eq!(stats["processes"][0]["name"], "web");
    assert!(stats["processes"][0]["usage"]["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 3_000_000), "{stats}");
    let text = project.ok(&["cli", "1", "stats"]).out;
    assert!(text.contains("talker") && text.contains("total") && text.contains("MB"), "{text}");
}

fn restart(project: &Project) {
    let before = project.pids(1);
    let text = project.ok(&["cli", "1", "restart", "web"]).out;
    assert!(text.contains("web") && text.contains("ready"), "{text}");
    let after = project.pids(1);
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1..], before[1..]);
    project.ok(&["cli", "1", "health"]);
    let json = project.json(&["cli", "1", "restart", "--json"]);
    assert!(json["processes"].as_array().expect("processes").iter().all(|process| process["state"] == "ready"));
    let all = project.pids(1);
    assert!(all.iter().zip(&after).all(|(new, old)| new != old), "{all:?} {after:?}");
    project.run(&["cli", "1", "restart", "nobody"]).exits(2).says(&["nobody", "web, talker, idle"]);
    assert_eq!(project.pids(1), all);
}

fn health(project: &Project) {
    let text = project.ok(&["cli", "1", "health"]).out;
    assert!(text.contains("web") && text.contains("postgres"), "{text}");
    let health = project.json(&["cli", "1", "health", "--json"]);
    assert_eq!(
        shape(&health),
        "{id: number, healthy: bool, checks: [{name: text, ok: bool, detail: text, took_ms: number}]}"
    );
    assert_eq!(health["healthy"], true);

    // A page that does not answer is not well, whatever its process's state.
    let pid = i32::try_from(pid_of(project, 1, "web")).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::STOP).expect("a signal");
    let unwell = project.run(&["cli", "1", "health", "--json"]).exits(1).json();
    kill_process(pid, Signal::CONT).expect("a signal");
    let bad = |checks: &Value| -> Vec<Value> {
        let checks = checks["checks"].as_array().expect("checks");
        checks.iter().filter(|check| check["ok"] == false).map(|check| check["name"].clone()).collect()
    };
    assert_eq!(bad(&unwell), ["web"], "{unwell}");
    project.ok(&["cli", "1", "health"]);

    project.ok(&["infra", "stop"]);
    let unwell = project.run(&["cli", "1", "health", "--json"]).exits(1).json();
    assert_eq!(bad(&unwell), ["postgres"], "{unwell}");
    project.run(&["infra", "status"]).exits(1);
    let agents = project.run(&["ls", "--check"]).exits(1).out;
    assert!(agents.contains("postgres: "), "{agents}");
    project.ok(&["ls"]);
    // A query has the server started again.
    project.ok(&["cli", "1", "psql", "SELECT 1"]);
    project.ok(&["infra", "status"]);
    project.ok(&["cli", "1", "health"]);
}

fn unknown(project: &Project) {
    for command in ["status", "logs", "health", "url", "restart", "psql", "stats", "slow-queries"] {
        project.run(&["cli", "7", command]).exits(1).says(&["agent 7 is not launched", "agent-harness launch 7"]);
    }
    project.run(&["cli", "7", "exec", "true"]).exits(1).says(&["agent-harness launch 7"]);
    project.run(&["cli", "x", "status"]).exits(2);
    project.run(&["cli", "1", "dance"]).exits(2);
}

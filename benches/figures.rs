//! The figures that the project promises, measured on the example app in a private world, each beside its limit.
//!
//! `cargo bench --locked`. Takes a few minutes: it obtains what is missing and installs the example's packages. It only
//! reports; a busy machine is no failure.
#![expect(clippy::print_stdout, reason = "a benchmark's report is its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark runs the program from outside, as a user does")]

#[path = "../tests/it/world/lease.rs"]
mod lease;

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use agent_harness::{
    config::paths::Paths,
    infra::postgres::{Session, copy, identifier},
    model::stack::StackName,
    ops::{
        demo,
        example::unpack,
        setup::{self, InfraRecord},
    },
    output::{printer::Printer, progress::Progress},
    process::{memory, usage},
    store::registry::Registry,
    supervisor::builtin::Builtin,
};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// Repetitions of what takes milliseconds.
const MANY: usize = 50;
/// Repetitions of what takes seconds.
const FEW: usize = 5;

struct World {
    paths: Paths,
    ports: lease::Ports,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::Builder::new().prefix("agent-harness-bench").tempdir().expect("a directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711)).expect("chmod");
        let root = Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("UTF-8");
        let cache = std::env::temp_dir().join("agent-harness-bench-cache");
        let cache = Utf8PathBuf::from_path_buf(cache).expect("UTF-8");
        Self { paths: Paths { state: root.join("state"), cache }, ports: lease::Ports::take(), _directory: directory }
    }

    fn command(&self, directory: &Utf8Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-harness"));
        command.args(args).current_dir(directory);
        command.env("AGENT_HARNESS_STATE_DIR", &self.paths.state).env("AGENT_HARNESS_CACHE_DIR", &self.paths.cache);
        let names = ["DB", "MINIO", "MINIO_CONSOLE", "BROWSER", "MAILPIT_SMTP", "MAILPIT_WEB"];
        for (index, name) in (0..).zip(names) {
            command.env(format!("AGENT_{name}_PORT"), self.ports.at(index).to_string());
        }
        command
    }

    fn json(&self, directory: &Utf8Path, args: &[&str]) -> Value {
        let output = self.command(directory, args).stderr(Stdio::inherit()).output().expect("the program");
        assert!(output.status.success(), "{args:?} ended with {}", output.status);
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// A repository of its own whose two processes do nothing, one of them serving 0.13 s after its start.
    fn tiny(&self) -> Utf8PathBuf {
        let root = self.paths.state.join("tiny");
        let harness = root.join("agent-harness");
        fs_err::create_dir_all(&harness).expect("a directory");
        let base = self.ports.at(30);
        let manifest = format!(
            "name = \"tiny\"\n[ports]\nweb = {base}\n[infra]\nservices = [\"postgres\"]\n\
             [urls]\nweb = \"http://localhost:{{{{ ports.web }}}}\"\n\
             [[process]]\nname = \"late\"\nrun = \"python3 late.py {{{{ ports.web }}}}\"\n\
             ready = {{ http = \"/\", port = \"web\" }}\n\
             [[process]]\nname = \"idle\"\nrun = \"sleep infinity\"\n"
        );
        fs_err::write(harness.join("harness.toml"), manifest).expect("a manifest");
        // Serves 0.13 s after the start of its process, and notes when.
        let late = "import http.server, os, sys, time\n\
            ticks = int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[19]) / os.sysconf('SC_CLK_TCK')\n\
            time.sleep(max(0, ticks + 0.13 - time.clock_gettime(time.CLOCK_BOOTTIME)))\n\
            server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)\n\
            open('served', 'w').write(str(time.time()))\nserver.serve_forever()\n";
        fs_err::write(root.join("late.py"), late).expect("a script");
        let git = Command::new("git").args(["init", "-q"]).current_dir(&root).status().expect("git");
        assert!(git.success());
        root
    }
}

fn main() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let checkout = runtime.block_on(shop(&world));
    for id in ["1", "2"] {
        world.json(&checkout, &["launch", id, "--json"]);
    }
    println!("\n{:<58} {:>14}   limit", "figure (medians)", "measured");
    let status = (0..MANY).map(|_| timed(&mut world.command(&checkout, &["status", "1"])) * 1000.0).collect();
    row("status", &format!("{:.1} ms", median(status)), "5 ms");
    launches(&world, &checkout);
    tiny(&world);
    runtime.block_on(async {
        supervision(&world, &["agent-1", "agent-2"]).await;
        infra(&world).await;
        clones(&world).await;
    });
    for args in [["teardown", "--all"], ["infra", "stop"]] {
        let status = world.command(&checkout, &args).stderr(Stdio::null()).status().expect("the program");
        assert!(status.success(), "{args:?} ended with {status}");
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn row(what: &str, value: &str, limit: &str) {
    println!("{what:<58} {value:>14}   {limit}");
}

fn seconds(millis: &Value) -> f64 {
    millis.as_f64().unwrap_or(0.0) / 1000.0
}

fn timed(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the program");
    assert!(status.success(), "ended with {status}");
    begun.elapsed().as_secs_f64()
}

/// The example, unpacked, on ports of this world.
async fn shop(world: &World) -> Utf8PathBuf {
    let checkout = demo::checkout(&world.paths);
    fs_err::create_dir_all(checkout.parent().expect("a parent")).expect("a directory");
    unpack::unpack(&checkout, &std::env::var("PATH").expect("PATH")).await.expect("the example");
    let ports: Vec<String> = (0..)
        .zip(["frontend", "api", "debug"])
        .map(|(index, name)| format!("{name} = {}\n", world.ports.at(20 + index)))
        .collect();
    let local = format!("[ports]\n{}", ports.concat());
    fs_err::write(checkout.join("agent-harness/harness.local.toml"), local).expect("a local manifest");
    checkout
}

/// Agent 3, launched and torn down a few times.
fn launches(world: &World, checkout: &Utf8Path) {
    let (mut share, mut create, mut boot, mut total) = (vec![], vec![], vec![], vec![]);
    let (mut down_share, mut down, mut drops) = (vec![], vec![], vec![]);
    for _ in 0..FEW {
        let begun = Instant::now();
        let report = world.json(checkout, &["launch", "3", "--json"]);
        let wall = begun.elapsed().as_secs_f64();
        let launched = &report["outcome"]["launched"];
        let created = seconds(&launched["create_database_ms"]);
        let status = world.json(checkout, &["status", "3", "--json"]);
        let app = boot_time(&status) + seconds(&launched["steps"]["after clone"]);
        total.push(wall);
        create.push(created);
        boot.push(app);
        share.push(wall - created - app);
        let begun = Instant::now();
        let report = world.json(checkout, &["teardown", "3", "--json"]);
        let wall = begun.elapsed().as_secs_f64();
        let (drop, stop) = (seconds(&report[0]["drop_database_ms"]), seconds(&report[0]["steps"]["processes"]));
        down.push(wall);
        drops.push(drop);
        down_share.push(wall - drop - stop);
    }
    row("launch of the shop to proven healthy", &format!("{:.2} s", median(total)), "");
    row("  of it CREATE DATABASE", &format!("{:.2} s", median(create)), "");
    row("  of it the app (boot, after_clone commands)", &format!("{:.2} s", median(boot)), "");
    row("  of it the harness", &format!("{:.2} s", median(share)), "0.3 s");
    row("teardown", &format!("{:.2} s", median(down)), "");
    row("  of it DROP DATABASE", &format!("{:.2} s", median(drops)), "");
    row("  of it the harness", &format!("{:.2} s", median(down_share)), "0.5 s");
}

/// When `process` was started, and when it was known to be ready, in seconds since 1970.
fn started_and_ready(process: &Value) -> (f64, f64) {
    let started: jiff::Timestamp = process["started"].as_str().expect("a time").parse().expect("a time");
    let started = started.as_duration().as_secs_f64();
    (started, started + seconds(&process["ready_after_ms"]))
}

/// From the first start to the last ready of a stack.
fn boot_time(status: &Value) -> f64 {
    let processes = status["processes"].as_array().expect("processes");
    let times: Vec<(f64, f64)> = processes.iter().map(started_and_ready).collect();
    let first = times.iter().map(|(started, _)| *started).fold(f64::INFINITY, f64::min);
    times.iter().map(|(_, ready)| *ready).fold(0.0, f64::max) - first
}

/// How soon a process is known to be ready, and how soon two that behave are stopped.
fn tiny(world: &World) {
    let root = world.tiny();
    let (mut late, mut stop) = (vec![], vec![]);
    for _ in 0..FEW {
        world.json(&root, &["launch", "9", "--json"]);
        let status = world.json(&root, &["status", "9", "--json"]);
        let processes = status["processes"].as_array().expect("processes");
        let process = processes.iter().find(|process| process["name"] == "late").expect("the process");
        let (_, ready) = started_and_ready(process);
        let served: f64 = fs_err::read_to_string(root.join("served")).expect("a note").parse().expect("a number");
        late.push((ready - served) * 1000.0);
        let report = world.json(&root, &["teardown", "9", "--json"]);
        stop.push(seconds(&report[0]["steps"]["processes"]));
    }
    row("reported ready after it served", &format!("{:.0} ms", median(late)), "30 ms");
    row("stopping two well-behaved processes", &format!("{:.3} s", median(stop)), "0.1 s");
}

/// PSS of supervisor and keeper at rest: asking them who they are is work, after which they give memory back.
async fn supervision(world: &World, names: &[&str]) {
    let mut pids = Vec::new();
    for name in names {
        let client = Builtin::new(&world.paths).connect(name.parse().expect("a stack")).await.expect("a supervisor");
        let status = client.expect("a supervisor").status().await.expect("an answer");
        pids.push([status.supervisor_pid, status.keeper_pid]);
    }
    tokio::time::sleep(2 * memory::REST).await;
    for (name, pids) in names.iter().zip(pids) {
        let sample = usage::sample(pids).expect("usage");
        row(&format!("supervision of {name}, PSS"), &megabytes(sample.usage(None).memory_bytes), "3 MB");
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// What the idle services take.
async fn infra(world: &World) {
    let client = Builtin::new(&world.paths).connect(StackName::Infra).await.expect("a supervisor");
    let members = client.expect("a supervisor").members().await.expect("an answer");
    let mut total = 0;
    for process in members {
        let bytes = usage::sample(process.pids).expect("usage").usage(None).memory_bytes;
        row(&format!("  {} idle, PSS", process.name), &megabytes(bytes), "");
        total += bytes;
    }
    row("embedded infra idle, PSS", &megabytes(total), "60 MB");
}

/// The chosen strategy beside PostgreSQL's default, in turns.
async fn clones(world: &World) {
    let registry = Registry::read(&world.paths.registry()).expect("a registry");
    let claim = registry.infra().expect("infra");
    let server = setup::running_server(&world.paths, claim, &Progress::new(Printer::new())).await.expect("a server");
    let costs = InfraRecord::read(&world.paths).expect("a record").expect("a record").costs;
    let admin = Session::maintenance(&server).await.expect("a session");
    let template = "shop_template";
    let bytes = copy::size(&admin, template).await.expect("an answer").expect("a template");
    let strategy = costs.choose(bytes);
    let (mut chosen, mut default) = (vec![], vec![]);
    let drop = format!("DROP DATABASE {}", identifier("bench_clone"));
    for _ in 0..FEW {
        let begun = Instant::now();
        copy::copy(&admin, template, "bench_clone", strategy).await.expect("a clone");
        chosen.push(begun.elapsed().as_secs_f64());
        admin.run_long("drop", &drop).await.expect("drop");
        let begun = Instant::now();
        admin.run_long("clone", "CREATE DATABASE bench_clone TEMPLATE shop_template").await.expect("a clone");
        default.push(begun.elapsed().as_secs_f64());
        admin.run_long("drop", &drop).await.expect("drop");
    }
    admin.close().await.expect("closing");
    let (chosen, default) = (median(chosen), median(default));
    let size = bytes / 1_000_000;
    row(&format!("clone of {size} MB, {}", strategy.sql()), &format!("{chosen:.2} s"), "");
    row(&format!("clone of {size} MB, plain CREATE DATABASE"), &format!("{default:.2} s"), "");
    row("  ratio", &format!("{:.2}", chosen / default), "");
}

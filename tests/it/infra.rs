//! The stack `infra` as a whole: after the machine went down, with named programs, on ports of others.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use camino::Utf8Path;

use crate::world::{
    World,
    postgres::bin_dir,
    project::Project,
    run::{LIMIT, run},
    wait::pause,
};

/// What is left when the machine goes down: no process, and notes of a boot that is over.
fn reboot(project: &Project) {
    for (pid, _) in project.processes() {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        // It may have ended with another one.
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap_or_default();
    }
    let deadline = Instant::now() + LIMIT;
    while !project.processes().is_empty() || listens(project) {
        assert!(Instant::now() < deadline, "these live on: {:?}", project.processes());
        pause();
    }
    let now = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
    for file in ["infra/postgres", "stacks"] {
        age(&project.world.path("state").join(file), now.trim());
    }
}

/// PostgreSQL's backends write over their environment: they are known by their port.
fn listens(project: &Project) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", project.world.ports.at(0))).is_ok()
}

/// Makes the notes below `directory` those of another boot.
fn age(directory: &Utf8Path, now: &str) {
    for entry in directory.read_dir_utf8().expect("a directory") {
        let path = entry.expect("an entry").into_path();
        if path.is_dir() && path.file_name() != Some("data") {
            age(&path, now);
        } else if path.extension() == Some("json") {
            let text = fs_err::read_to_string(&path).expect("a note");
            fs_err::write(&path, text.replace(now, "the-boot-before")).expect("a note");
        }
    }
}

#[test]
fn what_was_not_synced_is_not_used_after_the_machine_went_down() {
    let project = Project::guestbook();
    project.write("agent-harness/harness.local.toml", "[infra]\ndurability = \"off\"\n");
    project.ok(&["launch", "1"]);
    project.ok(&["cli", "1", "psql", "CREATE TABLE kept ()"]);

    reboot(&project);
    // A question starts nothing.
    project.run(&["infra", "status"]).exits(1).says(&["does not run", "agent-harness setup-infra"]);
    assert_eq!(project.processes(), []);
    project.ok(&["launch", "1"]).says(&["ALL DATABASES ARE MADE ANEW"]);
    project.ok(&["cli", "1", "psql", "SELECT count(*) FROM entries"]);
    project.run(&["cli", "1", "psql", "SELECT * FROM kept"]).says(&["kept"]);

    reboot(&project);
    project.ok(&["infra", "stop"]);
    assert_eq!(project.processes(), []);
    project.ok(&["teardown", "1"]).says(&["ALL DATABASES ARE MADE ANEW"]);

    // With durability nothing is lost, and a question has it run again.
    project.ok(&["infra", "stop"]);
    project.write("agent-harness/harness.local.toml", "");
    project.ok(&["launch", "1"]);
    project.ok(&["cli", "1", "psql", "CREATE TABLE kept ()"]);
    reboot(&project);
    project.run(&["infra", "status"]);
    project.ok(&["launch", "1"]);
    project.ok(&["cli", "1", "psql", "SELECT * FROM kept"]);
}

#[test]
fn programs_that_are_named_are_used_or_refused() {
    let project = Project::guestbook();
    let name = |postgres: &Utf8Path| {
        let text = format!("[infra.programs]\npostgres = \"{postgres}\"\n");
        project.write("agent-harness/harness.local.toml", &text);
    };
    let finding = || {
        let ran = project.run(&["doctor", "--json"]);
        let findings = ran.json();
        let found = findings.as_array().expect("findings").iter().find(|f| f["what"] == "infra.programs.postgres");
        (ran.code, found.expect("a finding")["detail"].as_str().expect("a text").to_owned())
    };
    name("postgres".into());
    project.run(&["setup-infra"]).exits(2).says(&["harness.local.toml:2:12", "must start with `/`"]);
    let empty = project.world.path("an empty folder");
    for (folder, why) in [(&project.world.path("none"), "no such folder"), (&empty, "has the program postgres")] {
        if why != "no such folder" {
            fs_err::create_dir(folder).expect("a folder");
        }
        name(folder);
        project.run(&["setup-infra"]).exits(3).says(&[folder.as_str(), "cannot be used as PostgreSQL", why]);
        let (code, detail) = finding();
        assert!(code == Some(3) && detail.contains(why), "{code:?} {detail}");
    }
    fs_err::copy("/bin/true", empty.join("postgres")).expect("a program");
    project.run(&["setup-infra"]).exits(3).says(&["has no program initdb"]);
    assert_eq!(project.processes(), []);

    name(&bin_dir());
    project.ok(&["setup-infra"]);
    let (_, detail) = finding();
    assert!(detail.contains(bin_dir().as_str()), "{detail}");
    let record = fs_err::read_to_string(project.world.path("state/infra/infra.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    assert_eq!(record["postgres"]["origin"], "configured");
}

/// Listens on an address and a port and hides from its own user what it has open.
const HIDING: &str = "import ctypes, socket, sys\n\
    listener = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ':' in sys.argv[1] else \
    socket.AF_INET)\n\
    PR_SET_DUMPABLE = 4\n\
    assert ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0) == 0\n\
    print('listening', flush=True)\n\
    sys.stdin.read()\n";

/// A process that listens and does not show it, until dropped.
struct Hiding(std::process::Child);

impl Hiding {
    #[expect(clippy::disallowed_methods, reason = "a stranger is a child of the test")]
    fn start(address: &str, port: u16) -> Self {
        let mut python = Command::new("python3");
        python.args(["-c", HIDING, address, &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 (apt-get install python3)");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "listening\n");
        Self(child)
    }
}

impl Drop for Hiding {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("a child of ours");
    }
}

/// Root sees everything, so under root the program is run as the user 65534 (nobody), on a copy that anybody may read.
#[test]
fn a_port_whose_owner_the_kernel_hides_is_named_by_its_user() {
    let world = World::new();
    let root = rustix::process::geteuid().is_root();
    let (program, app) = (world.path("agent-harness"), world.path("app"));
    fs_err::copy(env!("CARGO_BIN_EXE_agent-harness"), &program).expect("a copy");
    fs_err::create_dir_all(app.join("agent-harness")).expect("a folder");
    let manifest = "name = \"app\"\n[infra]\nservices = [\"postgres\"]\n";
    fs_err::write(app.join("agent-harness/harness.toml"), manifest).expect("a manifest");
    let git = Command::new("git").args(["init", "--quiet"]).current_dir(&app).status().expect("git");
    assert!(git.success());
    if root {
        let chown = Command::new("chown").args(["-R", "65534:65534"]).arg(world.path("")).status().expect("chown");
        assert!(chown.success());
    }
    let user = Command::new("id").args(["-un"]).output().expect("id").stdout;
    let user = String::from_utf8(user).expect("a name");
    for address in ["127.0.0.1", "::1"] {
        let port = world.ports.at(0);
        let _hiding = Hiding::start(address, port);
        let mut command = world.harness(["setup-infra"]);
        if root {
            let own = command;
            command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
            command.args(own.get_args()).env_clear();
            command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        }
        let shown = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        run(command.current_dir(&app)).exits(4).says(&[
            &format!("port {port}, needed for the infra's `postgres`, is taken by"),
            &format!("a process of user {} on {shown}:{port}", user.trim()),
            &format!("next:  sudo ss -ltnp 'sport = :{port}'"),
        ]);
        assert!(!world.path("state/infra/postgres").exists());
    }
}

//! The example app under `demo` in a world of its own. Dropping it removes it.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use agent_harness::{
    config::paths::Paths,
    model::{
        id::AgentId,
        stack::StackName,
        status::{ProcessState, ProcessStatus, StackStatus},
    },
    supervisor::builtin::Builtin,
};
use camino::Utf8PathBuf;
use indexmap::IndexMap;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{overwrite, run, unpack_to};
use crate::{
    s3::raw,
    world::{World, wait::pause},
};

/// Longest time that anything may take, on a machine that is busy with other tests.
pub(super) const DEADLINE: Duration = Duration::from_mins(2);

/// See the module.
pub(super) struct Shop {
    pub(super) world: World,
    pub(super) checkout: Utf8PathBuf,
    gone: bool,
}

/// What a command answered.
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Shop {
    /// The unpacked example, not launched, whose ports are the world's. A link in its watched sources leads to the
    /// world's folder `elsewhere`.
    pub(super) fn new() -> Self {
        let world = World::new();
        let checkout = world.path("state/demo/shop");
        fs_err::create_dir(world.path("state/demo")).expect("a folder");
        unpack_to(&checkout).expect("unpacked");
        let [frontend, api, debug] = [20, 21, 22].map(|index| world.ports.at(index));
        let local = format!("[ports]\nfrontend = {frontend}\napi = {api}\ndebug = {debug}\n");
        overwrite(&checkout.join("agent-harness/harness.local.toml"), &local);
        for folder in ["elsewhere", "tmp"] {
            fs_err::create_dir(world.path(folder)).expect("a folder");
        }
        let link = checkout.join("packages/backend/src/linked");
        std::os::unix::fs::symlink(world.path("elsewhere"), link).expect("a link");
        // What npm fetched for one run is there for the next.
        let user = rustix::process::geteuid().as_raw();
        let cache = format!("cache={}/npm-cache-{user}\nprefer-offline=true\n", env!("CARGO_TARGET_TMPDIR"));
        overwrite(&world.path("home/.npmrc"), &cache);
        Self { world, checkout, gone: false }
    }

    pub(super) fn paths(&self) -> Paths {
        Paths { state: self.world.path("state"), cache: self.world.path("cache") }
    }

    /// `agent-harness` with `args`.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.harness(args);
        command.env("TMPDIR", self.world.path("tmp"));
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Answer {
        let output = self.command(args).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("it ends by itself");
        Answer { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The JSON answer of a command that has to succeed.
    pub(super) fn json(&self, args: &[&str]) -> Value {
        let Answer { code, stdout, stderr } = self.run(args);
        assert_eq!(code, 0, "{args:?}:\n{stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{args:?}: {error}:\n{stdout}"))
    }

    /// A program in the checkout that has to succeed, and what it prints.
    pub(super) fn program(&self, argv: &[&str]) -> String {
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).current_dir(&self.checkout);
        // What these leave is no leftover of the harness.
        command.env("HOME", self.world.path("home")).env("TMPDIR", self.world.path("home"));
        let output = command.output().unwrap_or_else(|error| panic!("{argv:?}: {error}"));
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{argv:?}: {}\n{stdout}{stderr}", output.status);
        stdout.into_owned()
    }

    /// The processes of agent `id`, or of the infra for 0, as `status` says.
    pub(super) fn processes(&self, id: u16) -> IndexMap<String, ProcessStatus> {
        let number = id.to_string();
        let args: &[&str] =
            if id == 0 { &["infra", "status", "--json"] } else { &["cli", &number, "status", "--json"] };
        let Answer { stdout, stderr, .. } = self.run(args);
        let answer: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
        let processes: Vec<ProcessStatus> = serde_json::from_value(answer["processes"].clone()).expect("processes");
        processes.into_iter().map(|process| (process.name.clone(), process)).collect()
    }

    pub(super) fn process(&self, id: u16, name: &str) -> ProcessStatus {
        self.processes(id).swap_remove(name).expect("a process of that name")
    }

    /// Waits until `name` of agent `id` is ready and as `good` wants it.
    pub(super) fn wait_ready(&self, id: u16, name: &str, good: impl Fn(&ProcessStatus) -> bool) -> ProcessStatus {
        let good = |process: &ProcessStatus| process.state == ProcessState::Ready && good(process);
        let mut last = None;
        let found = wait(|| {
            let process = self.process(id, name);
            let is_good = good(&process);
            last = Some(process);
            is_good
        });
        let last = last.expect("asked once at least");
        assert!(found, "{name} of {id} stays {last:?}\n{}", self.log(id, name).join("\n"));
        last
    }

    /// Pids and starts of everything that runs for the agents and in the infra.
    pub(super) fn running(&self) -> Vec<(u16, String, Option<u32>, u32)> {
        let of =
            |id| self.processes(id).into_values().map(move |process| (id, process.name, process.pid, process.restarts));
        (0..=2).flat_map(of).collect()
    }

    /// Pids of supervisor and keeper of agent 1; nothing is started for the answer.
    pub(super) fn supervision(&self) -> StackStatus {
        let builtin = Builtin::with_program(&self.paths(), env!("CARGO_BIN_EXE_agent-harness").into());
        run(async {
            let client = builtin.connect(stack_name(1)).await.expect("no error");
            client.expect("a supervisor").status().await.expect("a status")
        })
    }

    /// The lines of a process's log.
    pub(super) fn log(&self, id: u16, name: &str) -> Vec<String> {
        let text = fs_err::read_to_string(self.paths().stack(stack_name(id)).log(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many lines of a process's log hold `what`.
    pub(super) fn count(&self, id: u16, name: &str, what: &str) -> usize {
        self.log(id, name).iter().filter(|line| line.contains(what)).count()
    }

    pub(super) fn frontend(&self, id: u16) -> u16 {
        self.world.ports.at(20 + 10 * id)
    }

    /// The body of a page of agent `id` that has to be there, asked through its frontend.
    pub(super) fn get(&self, id: u16, target: &str) -> String {
        let answer = raw::send(self.frontend(id), "GET", target, &[], b"");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.text()
    }

    pub(super) fn get_json(&self, id: u16, target: &str) -> Value {
        serde_json::from_str(&self.get(id, target)).expect("JSON")
    }

    /// A value of an agent's env file.
    pub(super) fn env(&self, id: u16, name: &str) -> String {
        let path = self.checkout.join(format!(".env.agent.{id}"));
        let text = fs_err::read_to_string(&path).expect("the env file");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).expect("the variable");
        line.trim_matches(['"', '\'']).to_owned()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        overwrite(&self.checkout.join(path), text);
    }

    /// Writes nothing, but now.
    pub(super) fn touch(&self, path: &str) {
        let file = fs_err::File::options().append(true).open(self.checkout.join(path)).expect("a carried file");
        file.file().set_modified(std::time::SystemTime::now()).expect("a new time");
    }

    /// Tells the drop that there is nothing left to remove.
    pub(super) fn is_gone(&mut self) {
        self.gone = true;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !self.gone {
            let answer = self.run(&["demo", "--stop", "--force"]);
            if !std::thread::panicking() {
                assert_eq!(answer.code, 0, "{}", answer.stderr);
            }
        }
    }
}

/// The stack of agent `id`, or the infra's for 0.
fn stack_name(id: u16) -> StackName {
    AgentId::new(id).map_or(StackName::Infra, StackName::Agent)
}

/// Whether `good` becomes true in time.
pub(super) fn wait(mut good: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + DEADLINE;
    while !good() {
        if Instant::now() > deadline {
            return false;
        }
        pause();
    }
    true
}

pub(super) fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it runs");
}

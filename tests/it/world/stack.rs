//! A stack of tiny programs under the real supervisor, driven through the library. Dropping it ends and removes it.

use std::time::{Duration, Instant};

use agent_harness::{
    config::paths::{Paths, StackDir},
    model::{
        stack::{ProcessSpec, Ready, ReadyCheck, Restart, StackName, StackSpec, Stop, StopSignal},
        status::{ProcessState, ProcessStatus, StackStatus},
    },
    supervisor::builtin::Builtin,
    wire::client::Client,
};
use camino::Utf8PathBuf;

use super::World;

/// Longest time that anything in these tests may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Stack {
    pub(crate) paths: Paths,
    pub(crate) builtin: Builtin,
    pub(crate) spec: StackSpec,
}

impl Stack {
    pub(crate) fn new(world: &World, processes: Vec<ProcessSpec>) -> Self {
        let paths = Paths { state: world.path("state"), cache: world.path("cache") };
        let builtin = Builtin::with_program(&paths, env!("CARGO_BIN_EXE_agent-harness").into());
        let name = StackName::Agent("1".parse().expect("an id"));
        Self { paths, builtin, spec: StackSpec { name, processes, boot: None } }
    }

    pub(crate) fn directory(&self) -> StackDir {
        self.paths.stack(self.spec.name)
    }

    /// Has it run, and connects.
    pub(crate) async fn up(&self) -> Client {
        self.builtin.ensure(&self.spec).await.expect("a supervisor")
    }

    /// A new connection, which starts a dead supervisor again.
    pub(crate) async fn client(&self) -> Client {
        self.builtin.resume(self.spec.name).await.expect("no error").expect("a stack that is to run")
    }

    pub(crate) async fn status(&self) -> StackStatus {
        self.builtin.status(self.spec.name).await.expect("no error").expect("a stack that is to run")
    }

    pub(crate) async fn process(&self, name: &str) -> ProcessStatus {
        find(self.status().await, name)
    }

    /// Waits until `name` is as `good` wants it.
    pub(crate) async fn wait(&self, name: &str, good: impl Fn(&ProcessStatus) -> bool) -> ProcessStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.process(name).await;
            if good(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{name} stays {status:?}\n{}", self.supervisor_log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn wait_state(&self, name: &str, state: ProcessState) -> ProcessStatus {
        self.wait(name, |status| status.state == state).await
    }

    pub(crate) fn supervisor_log(&self) -> String {
        fs_err::read_to_string(self.directory().supervisor_log()).unwrap_or_default()
    }

    /// The lines of a process's log without their stamps, older parts first.
    pub(crate) fn log(&self, process: &str) -> Vec<String> {
        let log = self.directory().log(process);
        let mut lines = Vec::new();
        for part in (1..=9).rev().map(|n| Utf8PathBuf::from(format!("{log}.{n}"))).chain([log.clone()]) {
            let text = fs_err::read_to_string(part).unwrap_or_default();
            lines.extend(text.lines().map(|line| line.split_once(' ').map_or("", |(_, rest)| rest).to_owned()));
        }
        lines
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let (builtin, name) = (self.builtin.clone(), self.spec.name);
        // A runtime cannot be entered from within another one.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(builtin.remove(name))
        })
        .join()
        .expect("no panic");
        if !std::thread::panicking() {
            removed.expect("the stack is removed");
        }
    }
}

pub(crate) fn find(status: StackStatus, name: &str) -> ProcessStatus {
    status.processes.into_iter().find(|process| process.name == name).expect("a process of that name")
}

/// A process that runs `script` with `sh`.
pub(crate) fn sh(name: &str, script: &str) -> ProcessSpec {
    program(name, &["sh", "-c", script])
}

/// A process that runs `script` with python3.
pub(crate) fn python(name: &str, script: &str) -> ProcessSpec {
    program(name, &["python3", "-u", "-c", script])
}

#[expect(clippy::disallowed_methods, reason = "the tests' own PATH leads to sh and python3")]
pub(crate) fn program(name: &str, argv: &[&str]) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        cwd: "/".into(),
        env: [("PATH".to_owned(), std::env::var("PATH").expect("a PATH"))].into_iter().collect(),
        run_as: None,
        ready: None,
        autostart: true,
        after: Vec::new(),
        watch: None,
        restart: Restart::Always,
        stop: Stop { signal: StopSignal::Term, leader_only: false, grace: Duration::from_secs(5) },
    }
}

/// `spec` with a readiness check.
pub(crate) fn ready(mut spec: ProcessSpec, check: ReadyCheck) -> ProcessSpec {
    spec.ready = Some(Ready { check, timeout: Duration::from_secs(20) });
    spec
}

//! `serve browser` in a world of its own, and what runs under it.

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use agent_harness::infra::obtain::BrowserBinary;
use camino::Utf8PathBuf;
use rustix::process::{Pid, Signal};

use crate::world::{World, tools, wait::pause};

/// Longest time that anything in these tests may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// The browser that the harness itself would use.
pub(super) fn preferred() -> BrowserBinary {
    tools::preferred_browser()
}

/// The whole Chromium of the machine, if it has one.
pub(super) fn whole() -> BrowserBinary {
    tools::chromium()
}

/// A running gateway; dropping it stops it, and with it everything that it started.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) root: Utf8PathBuf,
    child: Child,
    log: Utf8PathBuf,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "the program under test, ended when dropped")]
    /// Starts it and waits until it says that it is ready. `limits` are further arguments.
    pub(super) fn start(world: &World, browser: &BrowserBinary, limits: &[&str]) -> Self {
        let (mut command, root, port) = Self::command(world, browser, limits);
        let log = world.path("gateway.log");
        command.stderr(fs_err::File::create(&log).expect("a log").into_parts().0).stdout(Stdio::null());
        let child = command.spawn().expect("the gateway");
        let mut server = Self { port, root, child, log };
        let deadline = Instant::now() + DEADLINE;
        while !server.log().lines().any(|line| line == "ready") {
            assert!(server.child.try_wait().expect("a child").is_none(), "it ended: {}", server.log());
            assert!(Instant::now() < deadline, "it is not ready: {}", server.log());
            pause();
        }
        server
    }

    /// The command that starts it, its directory and its port.
    pub(super) fn command(world: &World, browser: &BrowserBinary, limits: &[&str]) -> (Command, Utf8PathBuf, u16) {
        let (root, port) = (world.path("state/infra/browser"), world.ports.at(3));
        let mut command = world.harness(["serve", "browser", "--root", root.as_str(), "--port", &port.to_string()]);
        command.args(["--chromium", browser.path.as_str()]).args(limits).envs(&browser.env);
        (command, root, port)
    }

    pub(super) fn log(&self) -> String {
        fs_err::read_to_string(&self.log).unwrap_or_default()
    }

    /// The WebSocket address with `rest` after the port.
    pub(super) fn address(&self, rest: &str) -> String {
        format!("ws://127.0.0.1:{}{rest}", self.port)
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the gateway can be signalled");
    }

    /// Waits for its end.
    pub(super) fn ended(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the gateway does not end: {}", self.log());
            pause();
        }
    }

    /// All processes below the gateway, with their start times.
    pub(super) fn below(&self) -> BTreeSet<(u32, u64)> {
        let all = processes();
        let mut found = BTreeSet::from([self.child.id()]);
        loop {
            let more: Vec<u32> =
                all.iter().filter(|p| found.contains(&p.parent) && !found.contains(&p.pid)).map(|p| p.pid).collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        found.remove(&self.child.id());
        all.iter().filter(|p| found.contains(&p.pid)).map(|p| (p.pid, p.start)).collect()
    }

    /// The leaders of the sessions that run.
    pub(super) fn browsers(&self) -> Vec<u32> {
        processes().into_iter().filter(|p| p.parent == self.child.id() && !p.ended).map(|p| p.pid).collect()
    }

    /// Directories of sessions.
    pub(super) fn profiles(&self) -> Vec<String> {
        let entries = self.root.join("profiles").read_dir_utf8().expect("the directory of profiles");
        entries.map(|entry| entry.expect("an entry").file_name().to_owned()).collect()
    }

    /// Waits until none of `processes` runs and no directory of a session is left.
    pub(super) fn nothing_left(&self, seen: &BTreeSet<(u32, u64)>, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let left: Vec<Process> =
                processes().into_iter().filter(|p| !p.ended && seen.contains(&(p.pid, p.start))).collect();
            if left.is_empty() && self.profiles().is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left: {left:?} {:?}\n{}", self.profiles(), self.log());
            pause();
        }
    }
}

impl Drop for Server {
    /// Killed outright it would leave browsers that write to their profiles for a moment, in a world that is gone.
    fn drop(&mut self) {
        let has_ended = |child: &mut Child| child.try_wait().expect("a child").is_some();
        if has_ended(&mut self.child) {
            return;
        }
        self.signal(Signal::TERM);
        let deadline = Instant::now() + DEADLINE;
        while !has_ended(&mut self.child) {
            if Instant::now() >= deadline {
                self.child.kill().expect("the gateway is ours to kill");
                self.child.wait().expect("the gateway is ours to wait for");
                assert!(std::thread::panicking(), "the gateway does not end: {}", self.log());
                return;
            }
            pause();
        }
    }
}

#[derive(Debug)]
struct Process {
    pid: u32,
    parent: u32,
    start: u64,
    ended: bool,
}

fn processes() -> Vec<Process> {
    let entries =
        fs_err::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = entries.filter_map(|name| name.parse().ok());
    pids.filter_map(|pid| {
        let stat = agent_harness::process::identity::stat(pid).ok()??;
        Some(Process { pid, parent: stat.parent, start: stat.start, ended: stat.ended })
    })
    .collect()
}

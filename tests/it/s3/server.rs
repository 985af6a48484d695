//! A real `serve s3` in a world of its own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;

use crate::world::World;

/// Longest time that a start or an end may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running server; dropped, it is killed.
pub(super) struct Server {
    pub(super) root: Utf8PathBuf,
    pub(super) port: u16,
    pub(super) console_port: u16,
    child: Child,
    lines: mpsc::Receiver<String>,
    log: Log,
}

/// What the server said, for whoever looks at a failure.
type Log = Arc<Mutex<Vec<String>>>;

impl Server {
    /// Starts one and waits until it is ready.
    pub(super) fn start(world: &World) -> Self {
        let (root, port, console_port) = (world.path("state/infra/s3"), world.ports.at(1), world.ports.at(2));
        let log = Log::default();
        let (child, lines) = launch(world, &root, port, console_port, Arc::clone(&log));
        let server = Self { root, port, console_port, child, lines, log };
        server.wait_ready();
        server
    }

    fn wait_ready(&self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("the server is not ready: {error}\n{}", self.log()));
            if line == "ready" {
                return;
            }
        }
    }

    /// What it said so far.
    pub(super) fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").join("\n")
    }

    /// Writes a key file whose secret is `secret-<name>`, as an atomic write does.
    pub(super) fn key(&self, name: &str) {
        self.key_file(name, &format!("secret-{name}"), 0);
    }

    pub(super) fn key_file(&self, name: &str, secret: &str, expire_days: u32) {
        let keys = self.root.join("keys");
        fs_err::create_dir_all(&keys).expect("a directory");
        let text = serde_json::json!({
            "access_key": name, "secret_key": secret, "bucket": name, "expire_days": expire_days,
        });
        let temporary = keys.join(format!(".{name}.new"));
        fs_err::write(&temporary, text.to_string()).expect("a key file");
        fs_err::rename(&temporary, keys.join(format!("{name}.json"))).expect("a key file in place");
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9 and a new start on the same storage.
    pub(super) fn crash(&mut self, world: &World) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
        self.start_again(world);
    }

    pub(super) fn start_again(&mut self, world: &World) {
        (self.child, self.lines) = launch(world, &self.root, self.port, self.console_port, Arc::clone(&self.log));
        self.wait_ready();
    }

    /// SIGTERM; returns how it ended.
    pub(super) fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
        self.child.wait().expect("reaped")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "the server under test is a child of the test")]
fn launch(
    world: &World,
    root: &Utf8PathBuf,
    port: u16,
    console_port: u16,
    log: Log,
) -> (Child, mpsc::Receiver<String>) {
    let (port, console_port) = (port.to_string(), console_port.to_string());
    let mut child = world
        .harness(["serve", "s3", "--root", root.as_str(), "--port", &port, "--console-port", &console_port])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a server");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            log.lock().expect("nobody panics with it").push(line.clone());
            // After the start nobody waits for lines any more.
            drop(sender.send(line));
        }
    });
    (child, lines)
}

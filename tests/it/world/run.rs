//! A command under test: run to its end within a limit, or watched while it runs.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Longest time that any command may take before it counts as one that does not return.
pub(crate) const LIMIT: Duration = Duration::from_mins(3);

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// The same, once its exit code is `code`.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// What it answered, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}):\n{}\n{}", self.out, self.err))
    }

    /// The same, once each of `parts` stands in its stderr.
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in:\n{}", self.err);
        }
        self
    }
}

/// Runs `command` to its end.
///
/// # Panics
/// When it does not return: neither it nor anything that holds its streams ends within [`LIMIT`].
pub(crate) fn run(command: &mut Command) -> Ran {
    Running::start(command).wait()
}

/// A command that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    started: Instant,
    out: mpsc::Receiver<String>,
    lines: mpsc::Receiver<String>,
    err: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_keeping_stdout(command.stdout(Stdio::piped()))
    }

    /// With the stdout that `command` has already.
    #[expect(clippy::disallowed_methods, reason = "the command under test is a child of the test")]
    pub(crate) fn start_keeping_stdout(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a command");
        let stdout = child.stdout.take();
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (send_out, out) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if stdout.is_none_or(|mut stdout| stdout.read_to_end(&mut bytes).is_ok()) {
                drop(send_out.send(String::from_utf8_lossy(&bytes).into_owned()));
            }
        });
        let (send_line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if send_line.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, started: Instant::now(), out, lines, err: String::new() }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended in this instant: then it is a zombie, which takes signals without effect.
        kill_process(Pid::from_child(&self.child), signal).expect("a signal to an own child");
    }

    /// Waits for the next line on stderr; `None` when the command closed it.
    pub(crate) fn line(&mut self) -> Option<String> {
        let left = LIMIT.saturating_sub(self.started.elapsed());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.err.push_str(&line);
                self.err.push('\n');
                Some(line)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not return; it said:\n{}", self.err),
        }
    }

    /// Whether it has not ended yet. Once it has, it takes no signal any more.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ended and closed its streams.
    pub(crate) fn wait(mut self) -> Ran {
        while self.line().is_some() {}
        let left = LIMIT.saturating_sub(self.started.elapsed());
        let out = self.out.recv_timeout(left).expect("it ends its stdout");
        let status = self.child.wait().expect("its end");
        Ran { code: status.code(), out, err: std::mem::take(&mut self.err), took: self.started.elapsed() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Asks `question` until it has an answer.
///
/// # Panics
/// When there is none within `limit`; `what` says what was waited for.
pub(crate) fn until<T>(what: &str, limit: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        super::wait::pause();
    }
}

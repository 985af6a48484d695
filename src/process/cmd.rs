//! The only way to run an outside command to its end.
//!
//! The command leads a group of its own; whoever drops the running future ends the whole group with SIGKILL, so
//! Ctrl-C leaves nothing behind. Nothing is inherited that was not asked for: the environment starts empty.

use std::{ffi::OsStr, os::fd::OwnedFd, process::Stdio, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::capture;
use crate::{error::Diagnose, exit_code::ExitCode};

/// An outside command, not yet started.
#[derive(Debug)]
pub struct Cmd {
    program: String,
    command: Command,
    stdin: Option<Vec<u8>>,
    timeout: Option<Duration>,
    /// What its group gets when nobody waits for it any more.
    ending: rustix::process::Signal,
}

/// What a command that ended left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: std::process::ExitStatus,
    /// Its standard output (bounded, see [`capture`]).
    pub stdout: String,
    /// Its standard error (bounded).
    pub stderr: String,
}

/// An outside command could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum CmdError {
    /// It could not be started.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with another status than 0.
    #[error("{program} ended with {status}{}", tail(.stderr))]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// It took too long and was ended.
    #[error("{program} did not end within {} s", .timeout.as_secs_f32())]
    TimedOut {
        /// The program.
        program: String,
        /// The limit.
        timeout: Duration,
    },
}

fn tail(stderr: &str) -> String {
    let text = stderr.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl Diagnose for CmdError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Start { .. } => ExitCode::Missing,
            Self::Failed { .. } | Self::TimedOut { .. } => ExitCode::StepFailed,
        }
    }
}

impl Cmd {
    /// A command that runs `program` with an empty environment and no input.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program.as_ref());
        command.env_clear().stdin(Stdio::null()).process_group(0);
        Self {
            program: program.as_ref().to_string_lossy().into_owned(),
            command,
            stdin: None,
            timeout: None,
            ending: rustix::process::Signal::KILL,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds to the environment.
    #[must_use]
    pub fn envs(mut self, envs: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        self.command.envs(envs);
        self
    }

    /// Runs in `directory`.
    #[must_use]
    pub fn cwd(mut self, directory: &Utf8Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs as another user without supplementary groups; needs root.
    #[must_use]
    pub fn run_as(mut self, user: crate::model::stack::RunAs) -> Self {
        // std calls setgroups(0) by itself when it changes the uid as root.
        self.command.uid(user.uid).gid(user.gid);
        self
    }

    /// Has it end with this process, however that ends, and when its future is dropped, by SIGTERM: for a command that
    /// then removes its own lock files, and whose work may not go on while the next one of ours repairs it. To be run
    /// from a thread that lives as long as the process.
    #[must_use]
    pub fn ends_with_us(mut self) -> Self {
        let parent = rustix::process::getpid();
        let act = move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
            // The parent may have died before that was said.
            if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
        };
        #[expect(unsafe_code, reason = "the only way to have a child do something between fork and exec")]
        // SAFETY: `act` makes two system calls and touches no memory but its own copy of a number.
        unsafe {
            self.command.pre_exec(act);
        }
        self.ending = rustix::process::Signal::TERM;
        self
    }

    /// Gives `input` to its standard input.
    #[must_use]
    pub fn stdin(mut self, input: Vec<u8>) -> Self {
        self.command.stdin(Stdio::piped());
        self.stdin = Some(input);
        self
    }

    /// Ends it after `limit`.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Runs it and collects what it writes.
    ///
    /// # Errors
    /// When it cannot be started, takes too long or ends with another status than 0.
    pub async fn output(self) -> Result<Output, CmdError> {
        let program = self.program.clone();
        let output = self.run_any().await?;
        if output.status.success() {
            return Ok(output);
        }
        Err(CmdError::Failed { program, status: output.status, stderr: output.stderr })
    }

    /// Like [`Self::output`], but every exit status is an answer.
    ///
    /// # Errors
    /// When it cannot be started or takes too long.
    pub async fn run_any(mut self) -> Result<Output, CmdError> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.run().await
    }

    /// Runs it with stdout and stderr appended to the file at `log`, which keeps the evidence.
    ///
    /// # Errors
    /// When the log cannot be opened, or as [`Self::output`]; the error then carries the end of the log.
    pub async fn logged(mut self, log: &Utf8Path) -> Result<(), CmdError> {
        let program = self.program.clone();
        let start = |source| CmdError::Start { program: program.clone(), source };
        let file = fs_err::OpenOptions::new().create(true).append(true).open(log).map_err(start)?;
        let (file, _) = file.into_parts();
        let second: OwnedFd = file.try_clone().map_err(start)?.into();
        self.command.stdout(file).stderr(second);
        let output = self.run().await?;
        if output.status.success() {
            return Ok(());
        }
        let stderr = capture::tail_of_file(log, 10).map_err(start)?;
        Err(CmdError::Failed { program, status: output.status, stderr })
    }

    async fn run(mut self) -> Result<Output, CmdError> {
        let start = |source| CmdError::Start { program: self.program.clone(), source };
        let mut child = self.command.spawn().map_err(start)?;
        let group = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        let guard = GroupGuard(group, self.ending);
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let stdin = child.stdin.take();
        let input = self.stdin.take();
        let work = async {
            let feed = async {
                if let (Some(mut pipe), Some(input)) = (stdin, input) {
                    // A command that ends without reading its input says so by its exit status.
                    drop(pipe.write_all(&input).await);
                }
                Ok(())
            };
            let (stdout, stderr, status, ()) =
                tokio::try_join!(capture::collect(stdout), capture::collect(stderr), child.wait(), feed)?;
            Ok(Output { status, stdout, stderr })
        };
        let result = match self.timeout {
            Some(timeout) => tokio::time::timeout(timeout, work)
                .await
                .map_err(|_| CmdError::TimedOut { program: self.program.clone(), timeout })?,
            None => work.await,
        };
        let output = result.map_err(start)?;
        guard.release();
        Ok(output)
    }
}

/// Ends the group of a command whose future was dropped.
struct GroupGuard(Option<rustix::process::Pid>, rustix::process::Signal);

impl GroupGuard {
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            match rustix::process::kill_process_group(group, self.1) {
                Ok(()) => {}
                Err(errno) => {
                    debug_assert_eq!(errno, rustix::io::Errno::SRCH, "only a group that ended cannot be killed");
                }
            }
        }
    }
}

/// Finds `program` in `path` (the value of a `PATH`), as execvp would.
#[must_use]
pub fn find(program: &str, path: &str) -> Option<Utf8PathBuf> {
    let executable = |candidate: &Utf8Path| {
        candidate.is_file() && rustix::fs::access(candidate.as_std_path(), rustix::fs::Access::EXEC_OK).is_ok()
    };
    if program.contains('/') {
        return Some(Utf8PathBuf::from(program)).filter(|candidate| executable(candidate));
    }
    path.split(':')
        .filter(|directory| directory.starts_with('/'))
        .map(|directory| Utf8Path::new(directory).join(program))
        .find(|candidate| executable(candidate))
}

//! A child that is spoken to through descriptors 3 and 4, such as a browser under `--remote-debugging-pipe`.
//!
//! It leads a session and group of its own, has no other descriptor of ours, and is killed when we die.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    process::{ExitStatus, Stdio},
};

use camino::Utf8Path;
use rustix::pipe::PipeFlags;
use tokio::{
    net::unix::pipe::{Receiver, Sender},
    process::{Child, Command},
};

use super::{
    ProcessError,
    identity::{self, Identity},
};

/// Bytes a pipe holds where the kernel allows it: fewer switches while a screenshot passes.
const CAPACITY: usize = 1024 * 1024;

/// A started child. Dropping it kills the leader; its group is the caller's to end.
#[derive(Debug)]
pub struct Piped {
    child: Child,
    identity: Identity,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The program's path.
    pub program: &'a Utf8Path,
    /// Its arguments.
    pub args: &'a [String],
    /// Its whole environment.
    pub env: &'a [(String, String)],
    /// Its working directory.
    pub cwd: &'a Utf8Path,
    /// The new file for its stdout and stderr.
    pub output: &'a Utf8Path,
}

impl Piped {
    /// Starts it; also returns where to write to it (its descriptor 3) and where to read from it (its 4).
    ///
    /// # Errors
    /// When pipes or the output cannot be made or the program cannot be executed.
    pub fn start(start: &Start<'_>) -> Result<(Self, Sender, Receiver), ProcessError> {
        let execute = |source| ProcessError::Execute { program: start.program.to_string(), source };
        let no_output = |source| ProcessError::Output { path: start.output.to_owned(), source };
        let output = File::options().append(true).create_new(true).open(start.output).map_err(no_output)?;
        let second = output.try_clone().map_err(no_output)?;
        let (its_input, ours_out) = pipe().map_err(execute)?;
        let (ours_in, its_output) = pipe().map_err(execute)?;
        // Above the descriptors they are copied to, so that neither copy closes the other.
        let its_input = rustix::io::fcntl_dupfd_cloexec(&its_input, 10).map_err(|errno| execute(errno.into()))?;
        let its_output = rustix::io::fcntl_dupfd_cloexec(&its_output, 10).map_err(|errno| execute(errno.into()))?;
        let mut command = Command::new(start.program);
        command
            .args(start.args)
            .env_clear()
            .envs(start.env.iter().map(|(name, value)| (name, value)))
            .current_dir(start.cwd)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(second)
            .kill_on_drop(true);
        prepare(&mut command, &its_input, &its_output);
        let child = command.spawn().map_err(execute)?;
        let pid = child.id().ok_or_else(|| execute(io::ErrorKind::NotFound.into()))?;
        // A child that ended at once is not reaped yet, so its entry is still there.
        let seen = identity::stat(pid)?.ok_or_else(|| execute(io::ErrorKind::NotFound.into()))?;
        let identity = Identity { pid, start: seen.start, boot: identity::boot_id()?.to_owned() };
        let sender = Sender::from_owned_fd(ours_out).map_err(execute)?;
        let receiver = Receiver::from_owned_fd(ours_in).map_err(execute)?;
        Ok((Self { child, identity }, sender, receiver))
    }

    /// Who it is; its group and session have its pid as number.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Waits for the leader's end.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends SIGKILL to its whole group at once, for when nothing can be waited for.
    pub fn kill_group(&self) {
        // Once reaped, its number may be another group's.
        if self.child.id().is_none() {
            return;
        }
        if let Some(group) = rustix::process::Pid::from_raw(self.identity.pid.cast_signed()) {
            match rustix::process::kill_process_group(group, rustix::process::Signal::KILL) {
                Ok(()) => {}
                // PERM: only members that run as another user, such as a sandbox helper on its way out, are left.
                Err(errno) => debug_assert!(
                    [rustix::io::Errno::SRCH, rustix::io::Errno::PERM].contains(&errno),
                    "only a group that ended cannot be killed"
                ),
            }
        }
    }
}

/// A pipe: the end to read from, the end to write to.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    match rustix::pipe::fcntl_setpipe_size(&write, CAPACITY) {
        // Beyond a user's share of pipe memory the kernel refuses, and the usual size does as well.
        Ok(_) | Err(rustix::io::Errno::PERM | rustix::io::Errno::BUSY) => Ok((read, write)),
        Err(errno) => Err(errno.into()),
    }
}

/// Runs between fork and exec.
#[expect(unsafe_code, reason = "pre_exec is unsafe: only async-signal-safe calls are allowed in it")]
fn prepare(command: &mut Command, input: &OwnedFd, output: &OwnedFd) {
    let (input, output) = (input.as_raw_fd(), output.as_raw_fd());
    let parent = rustix::process::getpid();
    // SAFETY: setsid, prctl, getppid and dup2 are async-signal-safe and allocate nothing; both descriptors stay open in
    // the parent until the child has executed, and the copies at 3 and 4 are owned by the executed program alone.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            if rustix::process::getppid() != Some(parent) {
                return Err(io::ErrorKind::NotFound.into());
            }
            // Below 10 and above 2 there is nothing that the program should inherit: all else is close-on-exec.
            if libc::dup2(input, 3) < 0 || libc::dup2(output, 4) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

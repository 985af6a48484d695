//! Starts processes that outlive the one who starts them: supervisors, keepers, and what these keep.
//!
//! Each is the leader of a session of its own, has only the descriptors 0 to 2, default signal handling, the usual file
//! mode mask and exactly the environment that it is given.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Command, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{ProcessError, cgroup::Cgroup};
use crate::model::stack::RunAs;

/// The path of the running program, for starting it again; also when it was replaced meanwhile.
#[must_use]
pub fn own_program() -> Utf8PathBuf {
    let own = std::env::current_exe().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    own.filter(|path| path.exists()).unwrap_or_else(|| Utf8PathBuf::from("/proc/self/exe"))
}

/// Executes `program` in place of the running one; returns only when that fails.
#[must_use]
pub fn replace_by(program: &Utf8Path, arguments: &[&str], env: &[(&str, &str)]) -> ProcessError {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env.iter().copied());
    ProcessError::Execute { program: program.to_string(), source: command.exec() }
}

/// Everything that is needed to start one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Program and arguments; the program is looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: Utf8PathBuf,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Another user to run as; needs root.
    pub run_as: Option<RunAs>,
    /// The cgroup that it shall be in, if the kernel lets it.
    #[serde(default)]
    pub cgroup: Option<Cgroup>,
    /// The file that stdout and stderr are appended to; made, mode 0600, when it is not there.
    pub output: Utf8PathBuf,
}

impl Launch {
    #[expect(clippy::disallowed_methods, reason = "the door for processes that outlive their starter")]
    /// Starts it with stdin from `input`, else from `/dev/null`. The child is not waited for here.
    ///
    /// # Errors
    /// When the output cannot be opened or the program not be executed (as that user, in that directory).
    pub fn spawn(&self, input: Option<OwnedFd>) -> Result<std::process::Child, ProcessError> {
        let (program, arguments) = self.argv.split_first().ok_or_else(|| ProcessError::Execute {
            program: String::new(),
            source: io::ErrorKind::InvalidInput.into(),
        })?;
        if let Err(source) = std::fs::metadata(&self.cwd)
            .and_then(|meta| if meta.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) })
        {
            return Err(ProcessError::Directory { path: self.cwd.clone(), source });
        }
        let fail_output = |source| ProcessError::Output { path: self.output.clone(), source };
        let output = append(&self.output).map_err(fail_output)?;
        let second = output.try_clone().map_err(fail_output)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.cwd)
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(output)
            .stderr(second);
        if let Some(user) = self.run_as {
            // std empties the supplementary groups when it changes the user as root.
            command.uid(user.uid).gid(user.gid);
        }
        let entrance = self.cgroup.as_ref().and_then(|cgroup| File::options().write(true).open(cgroup.entrance()).ok());
        detach(&mut command, entrance);
        command.spawn().map_err(|source| ProcessError::Execute { program: program.clone(), source })
    }
}

fn append(path: &Utf8Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // O_NOFOLLOW: the file lies beside nothing that others may write, and nobody should make it a link.
    File::options().create(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

/// Runs between fork and exec.
#[expect(unsafe_code, reason = "pre_exec is unsafe: only async-signal-safe calls are allowed in it")]
fn detach(command: &mut Command, cgroup: Option<File>) {
    // SAFETY: setsid, umask, write, sigemptyset, sigprocmask, rt_sigaction and close_range are async-signal-safe and allocate
    // nothing; four words are as long as the kernel's struct sigaction.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            if let Some(cgroup) = &cgroup {
                // 0 is the writer itself. Nothing depends on its being let in.
                match rustix::io::write(cgroup, b"0") {
                    Ok(_) | Err(_) => {}
                }
            }
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            let mut none = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            // The system call, because libc keeps 32 and 33 to itself, and they too may have been left ignored. All
            // zeros mean the default; SIGKILL and SIGSTOP refuse and have no other.
            let default = [0_u64; 4];
            for signal in 1..=64 {
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u64>(), 8);
            }
            // Marked, not closed: std still needs the pipe through which it reports a failed exec.
            if libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

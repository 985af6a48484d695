//! One running Chromium with its own profile; nothing of either is left when it has ended.

use std::{io, os::unix::fs::PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::{
    BrowserError,
    arguments::{self, Traits},
};
use crate::{
    config::environment::Environment,
    process::{
        capture,
        group::{self, Traces},
        piped::{Piped, Start},
    },
};

/// How Chromium is started here.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) program: Utf8PathBuf,
    pub(super) traits: Traits,
    /// The directory with `profiles/` and `cache/`.
    pub(super) root: Utf8PathBuf,
    /// Variables that every Chromium is given.
    pub(super) env: Vec<(String, String)>,
}

/// Names that reach Chromium besides those that every process is given: libraries and fonts that came with it, marks
/// by which supervisors find their processes.
const PASSED_ON: &[&str] = &["LD_LIBRARY_PATH", "FONTCONFIG_", "TZ", "AGENT_HARNESS_"];

/// Free space below which a page's shared memory does not fit into `/dev/shm` (containers give 64 MB).
const SMALL_SHM: u64 = 256 * 1024 * 1024;

impl Recipe {
    /// Starts `program` with sessions below `root`; `env` is the gateway's own environment.
    pub(super) fn new(program: &Utf8Path, root: &Utf8Path, env: &Environment, sandbox: bool) -> Self {
        let own = env.with_prefix(PASSED_ON).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut passed: Vec<(String, String)> = env.base().into_iter().chain(own).collect();
        // There is no desktop to talk to.
        passed.retain(|(name, _)| !["HOME", "TMPDIR"].contains(&name.as_str()) && !name.starts_with("XDG_"));
        passed.push(("DBUS_SESSION_BUS_ADDRESS".to_owned(), "disabled:".to_owned()));
        passed.push(("XDG_CACHE_HOME".to_owned(), root.join("cache").to_string()));
        let free = rustix::fs::statvfs("/dev/shm").map_or(0, |shm| shm.f_bavail.saturating_mul(shm.f_frsize));
        let traits = Traits { sandbox, small_shm: free < SMALL_SHM };
        Self { program: program.to_owned(), traits, root: root.to_owned(), env: passed }
    }

    /// Where the profiles of all sessions lie.
    pub(super) fn profiles(root: &Utf8Path) -> Utf8PathBuf {
        root.join("profiles")
    }

    /// Starts one; also returns where CDP messages, each ended by a NUL, are written to and read from.
    pub(super) fn start(&self, args: &[String]) -> Result<(Chromium, Sender, Receiver), BrowserError> {
        let profile = Profile::new(&self.root)?;
        let mut env = self.env.clone();
        env.push(("HOME".to_owned(), profile.path.to_string()));
        env.push(("TMPDIR".to_owned(), TEMPORARY.to_owned()));
        let line = arguments::command_line(&profile.user_data(), self.traits, args);
        let output = profile.output();
        let start = Start { program: &self.program, args: &line, env: &env, cwd: &profile.path, output: &output };
        let (piped, sender, receiver) = Piped::start(&start)?;
        Ok((Chromium { piped, profile }, sender, receiver))
    }
}

/// A running Chromium. [`Self::end`] it; a mere drop kills its group and removes what can be removed.
#[derive(Debug)]
pub(super) struct Chromium {
    piped: Piped,
    profile: Profile,
}

impl Chromium {
    /// Its pid.
    pub(super) const fn pid(&self) -> u32 {
        self.piped.identity().pid
    }

    /// Waits until its first process has ended, and says how.
    pub(super) async fn ended(&mut self) -> String {
        match self.piped.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// The last lines that it wrote.
    pub(super) fn last_words(&self) -> String {
        capture::tail_of_file(&self.profile.output(), 5).unwrap_or_default()
    }

    /// Ends all its processes at once and removes its profile.
    pub(super) async fn end(mut self) -> Result<(), BrowserError> {
        let output = self.profile.output();
        let traces = Traces {
            leader: Some(self.piped.identity()),
            output: Some(&output),
            ..Traces::of_stack(self.profile.path.as_str())
        };
        let killed = group::kill(&traces).await;
        if killed.is_ok() {
            // It has ended; this only takes its status from the kernel.
            self.ended().await;
        }
        self.profile.remove()?;
        Ok(killed?)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.piped.kill_group();
    }
}

/// The directory of one session: the browser's profile, what it wrote to stderr, and its temporary files.
#[derive(Debug)]
struct Profile {
    path: Utf8PathBuf,
}

/// The temporary directory, as Chromium, which runs in the session's directory, is told it. Not absolute: Chromium
/// makes a socket there, and the address of a socket has at most 108 bytes.
const TEMPORARY: &str = "tmp";

impl Profile {
    fn new(root: &Utf8Path) -> Result<Self, BrowserError> {
        let parent = Recipe::profiles(root);
        let disk = |source| BrowserError::Disk { path: parent.clone(), source };
        fs_err::create_dir_all(&parent).map_err(disk)?;
        let made = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o700))
            .prefix("session-")
            .tempdir_in(&parent)
            .map_err(disk)?;
        let path = Utf8PathBuf::from_path_buf(made.keep())
            .map_err(|path| disk(io::Error::other(path.display().to_string())))?;
        let profile = Self { path };
        fs_err::create_dir(profile.path.join(TEMPORARY)).map_err(disk)?;
        Ok(profile)
    }

    fn user_data(&self) -> Utf8PathBuf {
        self.path.join("user")
    }

    fn output(&self) -> Utf8PathBuf {
        self.path.join("output")
    }

    /// Removes it; every process that wrote to it has ended.
    fn remove(&self) -> Result<(), BrowserError> {
        remove_session(&self.path).map_err(|source| BrowserError::Disk { path: self.path.clone(), source })
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // After `Chromium::end` there is nothing left; else the next start of the gateway removes what this cannot.
        drop(self.remove());
    }
}

/// Removes a session's directory.
pub(super) fn remove_session(path: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

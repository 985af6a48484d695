//! A private world: own HOME, state, cache and ports, so that tests run side by side and beside a user's own harness.
//!
//! Its path has a space and a non-ASCII letter on purpose. Dropping it ends what it started and removes it.

pub(crate) mod lease;
pub(crate) mod postgres;
pub(crate) mod project;
pub(crate) mod run;
pub(crate) mod stack;
pub(crate) mod tools;
pub(crate) mod wait;

use std::{ffi::OsStr, os::unix::fs::PermissionsExt as _, process::Command};

use agent_harness::config::environment::Environment;
use camino::{Utf8Path, Utf8PathBuf};

/// See the module.
pub(crate) struct World {
    root: Utf8PathBuf,
    directory: tempfile::TempDir,
    /// The ports that are this world's alone.
    pub(crate) ports: lease::Ports,
}

impl World {
    /// A new, empty world.
    pub(crate) fn new() -> Self {
        let directory =
            tempfile::Builder::new().prefix("agent-harness wörld ").tempdir().expect("a temporary directory");
        // postgres runs as another user under root and has to pass through.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711))
            .expect("chmod of a new directory");
        let root = Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("a UTF-8 TMPDIR");
        for sub in ["home", "state", "cache"] {
            fs_err::create_dir(root.join(sub)).expect("a directory in a new world");
            std::fs::set_permissions(root.join(sub), std::fs::Permissions::from_mode(0o711))
                .expect("chmod of a new directory");
        }
        Self { root, directory, ports: lease::Ports::take() }
    }

    /// A path below the world.
    pub(crate) fn path(&self, below: impl AsRef<Utf8Path>) -> Utf8PathBuf {
        self.root.join(below)
    }

    /// The binary under test with this world's environment and nothing else of the caller's but PATH.
    pub(crate) fn harness(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-harness"));
        command
            .args(args)
            .current_dir(&self.root)
            .env_clear()
            .env("PATH", Environment::of_this_process().get("PATH").expect("a PATH"))
            .env("HOME", self.path("home"))
            .env("LANG", "C.UTF-8")
            .env("AGENT_HARNESS_STATE_DIR", self.path("state"))
            .env("AGENT_HARNESS_CACHE_DIR", self.path("cache"))
            .env("AGENT_DB_PORT", self.ports.at(0).to_string())
            .env("AGENT_MINIO_PORT", self.ports.at(1).to_string())
            .env("AGENT_MINIO_CONSOLE_PORT", self.ports.at(2).to_string())
            .env("AGENT_BROWSER_PORT", self.ports.at(3).to_string())
            .env("AGENT_MAILPIT_SMTP_PORT", self.ports.at(4).to_string())
            .env("AGENT_MAILPIT_WEB_PORT", self.ports.at(5).to_string());
        command
    }

    /// Keeps the directory after the test, for looking at it.
    #[expect(dead_code, reason = "for whoever debugs a test")]
    pub(crate) fn keep(mut self) -> Utf8PathBuf {
        self.directory.disable_cleanup(true);
        self.root.clone()
    }
}

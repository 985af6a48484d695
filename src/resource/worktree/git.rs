//! How git is run.

use camino::Utf8Path;
use indexmap::IndexMap;

use super::WorktreeError;
use crate::process::cmd::{Cmd, Output};

/// Settings over the user's: no hook runs (what a worktree needs beyond its files, the manifest says), and nothing that
/// was remembered of the files is believed.
/// Another git that is at work in this moment is waited for, in milliseconds.
const SETTINGS: [&str; 5] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.filesRefLockTimeout=2000",
    "checkout.workers=0",
];

/// git, with a user's own configuration.
#[derive(Clone, Debug)]
pub struct Git {
    env: IndexMap<String, String>,
}

impl Git {
    /// git as the user of this environment (`HOME`, `PATH` and the like) runs it.
    #[must_use]
    pub fn new(base: &IndexMap<String, String>) -> Self {
        let mut env = base.clone();
        // It neither asks anything nor writes what it need not.
        for (name, value) in [("LC_ALL", "C.UTF-8"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_OPTIONAL_LOCKS", "0")] {
            env.insert(name.to_owned(), value.to_owned());
        }
        Self { env }
    }

    fn command(&self, directory: &Utf8Path, args: &[&str]) -> Cmd {
        let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
        Cmd::new("git").args(settings.chain(args.iter().copied())).envs(&self.env).cwd(directory).ends_with_us()
    }

    /// What `git <args>` in `directory` prints.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn run(&self, directory: &Utf8Path, args: &[&str]) -> Result<String, WorktreeError> {
        let output = self.command(directory, args).output().await;
        Ok(output.map_err(|source| WorktreeError::git(args, source))?.stdout)
    }

    /// As [`Self::run`]; `None` when it ends with status 1, by which git says no.
    pub(super) async fn ask(&self, directory: &Utf8Path, args: &[&str]) -> Result<Option<String>, WorktreeError> {
        let output = self.command(directory, args).run_any().await;
        let Output { status, stdout, stderr } = output.map_err(|source| WorktreeError::git(args, source))?;
        match status.code() {
            Some(0) => Ok(Some(stdout)),
            Some(1) => Ok(None),
            _ => {
                let failed = crate::process::cmd::CmdError::Failed { program: "git".to_owned(), status, stderr };
                Err(WorktreeError::git(args, failed))
            }
        }
    }

    /// The files and folders that git ignores in the checkout `root`, relative; a folder that holds nothing else ends
    /// with `/` and stands for all in it.
    ///
    /// # Errors
    /// When git fails.
    pub async fn ignored(&self, root: &Utf8Path) -> Result<Vec<String>, WorktreeError> {
        let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
        Ok(list(&self.run(root, &args).await?))
    }

    /// Those of `paths` that git would ignore in the checkout `root`, whether they are there or not.
    ///
    /// # Errors
    /// When git fails.
    pub async fn would_ignore(&self, root: &Utf8Path, paths: &[String]) -> Result<Vec<String>, WorktreeError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let args = ["check-ignore", "--stdin", "-z"];
        let input = paths.join("\0").into_bytes();
        let output = self.command(root, &args).stdin(input).run_any().await;
        let Output { status, stdout, stderr } = output.map_err(|source| WorktreeError::git(&args, source))?;
        match status.code() {
            Some(0) => Ok(list(&stdout)),
            Some(1) => Ok(Vec::new()),
            _ => {
                let failed = crate::process::cmd::CmdError::Failed { program: "git".to_owned(), status, stderr };
                Err(WorktreeError::git(&args, failed))
            }
        }
    }

    /// Whether any of `paths` below `root` is tracked.
    ///
    /// # Errors
    /// When git fails.
    pub async fn tracks(&self, root: &Utf8Path, path: &str) -> Result<bool, WorktreeError> {
        Ok(!self.run(root, &["ls-files", "-z", "--", &format!(":(literal){path}")]).await?.is_empty())
    }
}

fn list(text: &str) -> Vec<String> {
    text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

//! What git says of the files in the way, and what it remembers of this clone.

use std::collections::BTreeSet;

use camino::Utf8Path;
use indexmap::IndexMap;

use super::InitError;
use crate::process::cmd::{self, Cmd, Output};

/// Where a clone remembers the program that `init` was run with. Scripts that find none in PATH ask for it.
const PROGRAM: &str = "agent-harness.program";

/// Longest time for git to answer.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// git in one checkout.
pub(super) struct Git<'a> {
    program: camino::Utf8PathBuf,
    root: &'a Utf8Path,
    env: IndexMap<&'static str, &'a str>,
}

impl<'a> Git<'a> {
    /// git of this `base` environment, in the checkout at `root`.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn find(root: &'a Utf8Path, base: &'a IndexMap<String, String>) -> Result<Self, InitError> {
        let of = |name| base.get(name).map(String::as_str);
        let program = cmd::find("git", of("PATH").unwrap_or_default()).ok_or(InitError::NoGit)?;
        let env = ["PATH", "HOME", "XDG_CONFIG_HOME"].into_iter().filter_map(|name| Some((name, of(name)?))).collect();
        Ok(Self { program, root, env })
    }

    async fn ask(&self, args: &[&str]) -> Result<Output, InitError> {
        let command = Cmd::new(&self.program).args(args).cwd(self.root).envs(&self.env);
        Ok(command.envs([("LC_ALL", "C")]).timeout(LIMIT).run_any().await?)
    }

    async fn answer(&self, args: &[&str]) -> Result<String, InitError> {
        let output = self.ask(args).await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(InitError::GitFailed { what: args.join(" "), stderr: output.stderr.trim().to_owned() })
    }

    /// Those of `files` that the newest commit holds just as they are: `git checkout` brings them back.
    ///
    /// # Errors
    /// When git fails.
    pub(super) async fn committed<'p>(&self, files: &[&'p Utf8Path]) -> Result<BTreeSet<&'p Utf8Path>, InitError> {
        let head = self.ask(&["rev-parse", "--quiet", "--verify", "HEAD^{commit}"]).await?;
        if head.status.code() == Some(1) {
            return Ok(BTreeSet::new());
        }
        let mut args = vec!["ls-tree", "-z", "HEAD", "--"];
        args.extend(files.iter().map(|path| path.as_str()));
        let tree = self.answer(&args).await?;
        let mut committed = IndexMap::new();
        for line in tree.split('\0').filter(|line| line.starts_with("100")) {
            if let Some((entry, path)) = line.split_once('\t')
                && let Some(path) = files.iter().find(|file| **file == path)
            {
                committed.insert(*path, entry.rsplit(' ').next().unwrap_or_default().to_owned());
            }
        }
        if committed.is_empty() {
            return Ok(BTreeSet::new());
        }
        // Asked of the content: what the index says of a file may be old, or told to be so.
        let mut args = vec!["hash-object", "--"];
        args.extend(committed.keys().map(|path| path.as_str()));
        let now = self.answer(&args).await?;
        let same = committed.iter().zip(now.lines()).filter(|((_, was), is)| was == is);
        Ok(same.map(|((path, _), _)| *path).collect())
    }

    /// Has the clone remember `program`; whether that is news to it.
    ///
    /// # Errors
    /// When git fails.
    pub(super) async fn remember_program(&self, program: &Utf8Path) -> Result<bool, InitError> {
        let known = self.ask(&["config", "--local", "--get", PROGRAM]).await?;
        if known.status.success() && known.stdout.trim_end_matches('\n') == program.as_str() {
            return Ok(false);
        }
        self.answer(&["config", "--local", "--replace-all", PROGRAM, program.as_str()]).await?;
        Ok(true)
    }
}

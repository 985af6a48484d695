//! What changed: the commit that a tree is compared with, asked from git. Whatever cannot be known makes everything
//! run; nothing here fails.

use camino::Utf8Path;
use ignore::overrides::OverrideBuilder;
use indexmap::IndexMap;

use super::report::Compared;
use crate::{
    model::manifest::Verify,
    process::cmd::{Cmd, CmdError},
};

/// Longest time of one question to git; a big tree on a busy machine takes seconds.
const LIMIT: std::time::Duration = std::time::Duration::from_mins(1);

/// What tasks are to be run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// What differs from a commit.
    Since(Compared),
    /// Everything.
    Everything {
        /// Why.
        because: String,
    },
}

fn everything(because: impl Into<String>) -> Comparison {
    Comparison::Everything { because: because.into() }
}

/// What changed in `workdir` since its work left the base.
pub(super) async fn compare(verify: &Verify, workdir: &Utf8Path, env: &IndexMap<String, String>) -> Comparison {
    match Git::new(workdir, env).compare(verify).await {
        Ok(comparison) => comparison,
        Err(error) => everything(format!("git cannot say what changed: {}", crate::error::Error::from(error).chain())),
    }
}

struct Git<'a> {
    workdir: &'a Utf8Path,
    env: IndexMap<&'a str, &'a str>,
}

impl<'a> Git<'a> {
    fn new(workdir: &'a Utf8Path, env: &'a IndexMap<String, String>) -> Self {
        let mut env: IndexMap<&str, &str> = ["PATH", "HOME", "XDG_CONFIG_HOME"]
            .into_iter()
            .filter_map(|name| env.get(name).map(|value| (name, value.as_str())))
            .collect();
        // Asking must not wait for whoever works in the tree just now.
        env.insert("GIT_OPTIONAL_LOCKS", "0");
        env.insert("LC_ALL", "C");
        Self { workdir, env }
    }

    /// What git answers; `None` when it answers no.
    async fn ask(&self, args: &[&str]) -> Result<Option<String>, CmdError> {
        // A monitor that git started would outlive us.
        let git = Cmd::new("git").args(["-c", "core.fsmonitor=false"]).args(args).envs(&self.env).cwd(self.workdir);
        let output = git.timeout(LIMIT).run_any().await?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout.trim_end_matches('\n').to_owned())),
            Some(1) => Ok(None),
            _ => Err(CmdError::Failed { program: "git".to_owned(), status: output.status, stderr: output.stderr }),
        }
    }

    async fn commit(&self, name: &str) -> Result<Option<String>, CmdError> {
        self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")]).await
    }

    async fn compare(&self, verify: &Verify) -> Result<Comparison, CmdError> {
        let Some(head) = self.commit("HEAD").await? else { return Ok(everything("there is no commit yet")) };
        let Some((reference, base)) = self.base(verify.base.as_deref()).await? else {
            return Ok(everything(match &verify.base {
                Some(base) => format!("there is no branch {base}"),
                None => "there is no branch to compare with: set `base` in [verify]".to_owned(),
            }));
        };
        let branch = reference.trim_start_matches("refs/heads/").trim_start_matches("refs/remotes/").to_owned();
        let Some(commit) = self.ask(&["merge-base", &head, &base]).await? else {
            let shallow = self.ask(&["rev-parse", "--is-shallow-repository"]).await?.as_deref() == Some("true");
            let why = if shallow { " (the clone is shallow)" } else { "" };
            return Ok(everything(format!("HEAD and {branch} have no commit in common{why}")));
        };
        // On the base itself: what was committed would be compared with itself.
        if self.ask(&["symbolic-ref", "--quiet", "HEAD"]).await?.as_deref() == Some(&reference) {
            return Ok(everything(format!("{branch} is itself what would be compared with")));
        }
        let files = self.changed_files(&commit).await?;
        if files.is_empty() {
            return Ok(everything(format!("nothing differs from {branch}")));
        }
        if let Some(file) = self.concerns_all(&verify.all_on_change, &files) {
            return Ok(everything(format!("{} changed", file.escape_debug())));
        }
        Ok(Comparison::Since(Compared { branch, commit, files: files.len() }))
    }

    /// The full name and the commit of the branch that work goes to.
    async fn base(&self, base: Option<&str>) -> Result<Option<(String, String)>, CmdError> {
        let candidates: Vec<String> = if let Some(base) = base {
            ["refs/heads/", "refs/remotes/", "refs/remotes/origin/"].map(|kind| format!("{kind}{base}")).to_vec()
        } else {
            let default = self.ask(&["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"]).await?;
            let remote = ["refs/remotes/origin/main", "refs/remotes/origin/master"];
            let usual = remote.into_iter().chain(["refs/heads/main", "refs/heads/master"]);
            default.into_iter().chain(usual.map(str::to_owned)).collect()
        };
        for reference in candidates {
            if let Some(commit) = self.commit(&reference).await? {
                return Ok(Some((reference, commit)));
            }
        }
        Ok(None)
    }

    /// Every file that differs from `commit`: committed, staged, edited, removed, and not yet known to git.
    async fn changed_files(&self, commit: &str) -> Result<Vec<String>, CmdError> {
        let tracked = self.ask(&["diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", commit, "--"]).await?;
        let new = self.ask(&["ls-files", "--others", "--exclude-standard", "-z", "--", ":/"]).await?;
        let both = [tracked, new].into_iter().flatten().collect::<String>();
        Ok(both.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
    }

    fn concerns_all<'f>(&self, globs: &[String], files: &'f [String]) -> Option<&'f String> {
        let mut overrides = OverrideBuilder::new(self.workdir);
        for glob in globs {
            let glob = glob.trim_start_matches("./").trim_matches('/');
            for pattern in [format!("/{glob}"), format!("/{glob}/**")] {
                // Checked when the manifest was loaded.
                overrides.add(&pattern).ok()?;
            }
        }
        let overrides = overrides.build().ok()?;
        files.iter().find(|file| overrides.matched(self.workdir.join(file), false).is_whitelist())
    }
}

//! Where worktrees are: read from git's own files, as `config::locate` does.

use camino::{Utf8Path, Utf8PathBuf};

use super::WorktreeError;
use crate::{
    model::{id::AgentId, worktree::BranchName},
    store::worktree::{Stage, WorktreeClaim},
};

/// Name of the claim in git's private folder of a worktree.
const CLAIM: &str = "agent-harness.json";

/// A worktree that git knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worktree {
    /// git's private folder of it, `<repository>/worktrees/<name>`.
    pub(super) private: Utf8PathBuf,
    /// Where git believes it to lie.
    pub(super) dir: Utf8PathBuf,
}

/// A worktree of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// git's private folder of it.
    pub private: Utf8PathBuf,
    /// Where it lies, or lay.
    pub dir: Utf8PathBuf,
    /// What is ours of it.
    pub claim: WorktreeClaim,
}

impl Found {
    /// Writes how far it has come, in both places.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn advance(&mut self, own: &Utf8Path, stage: Stage) -> Result<(), WorktreeError> {
        self.claim.stage = stage;
        self.claim.write(own)?;
        Ok(self.claim.write(&self.private.join(CLAIM))?)
    }

    /// Refuses another branch than the one that it was made on.
    ///
    /// # Errors
    /// When another one is `wanted`.
    pub fn check_branch(&self, wanted: Option<&BranchName>) -> Result<(), WorktreeError> {
        let half = matches!(self.claim.stage, Stage::Adding | Stage::Removing);
        let Some(wanted) = wanted.filter(|wanted| !half && **wanted != self.claim.branch) else { return Ok(()) };
        Err(WorktreeError::OtherBranch {
            id: self.claim.agent,
            dir: self.dir.clone(),
            has: self.claim.branch.clone(),
            wanted: wanted.clone(),
        })
    }

    /// Whether the folder is this worktree: its `.git` names the private folder.
    #[must_use]
    pub fn is_there(&self) -> bool {
        belongs(&self.dir, &self.private)
    }
}

/// Whether the folder `dir` is the worktree whose private folder is `private`.
pub(super) fn belongs(dir: &Utf8Path, private: &Utf8Path) -> bool {
    let Ok(text) = std::fs::read_to_string(dir.join(".git")) else { return false };
    let Some(named) = text.strip_prefix("gitdir: ") else { return false };
    let named = dir.join(named.trim_end_matches(['\n', '\r']));
    matches!((named.canonicalize_utf8(), private.canonicalize_utf8()), (Ok(named), Ok(private)) if named == private)
}

/// All worktrees that git knows of the repository, without its main checkout.
pub(super) fn all(common_dir: &Utf8Path) -> Vec<Worktree> {
    let Ok(entries) = common_dir.join("worktrees").read_dir_utf8() else { return Vec::new() };
    let mut found: Vec<Worktree> = entries
        .filter_map(|entry| {
            let private = entry.ok()?.into_path();
            let text = std::fs::read_to_string(private.join("gitdir")).ok()?;
            // Relative ones are relative to the private folder.
            let dot_git = private.join(text.trim_end_matches(['\n', '\r']));
            let dir = resolve(dot_git.parent()?);
            Some(Worktree { private, dir })
        })
        .collect();
    found.sort_by(|left, right| left.private.cmp(&right.private));
    found
}

/// Private folders of a worktree at `dir` whose making or removing was cut off, once that folder is gone: those that name
/// it, and the one of its very name if it names nothing. Another name with which git gets out of the way of a taken one
/// (`agent-31` for `agent-3`) may be another agent's own, which is just being made.
pub(super) fn remains(common_dir: &Utf8Path, dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = common_dir.join("worktrees").read_dir_utf8() else { return Vec::new() };
    let is_one = |private: &Utf8PathBuf| {
        let is_nameless = match std::fs::read_to_string(private.join("gitdir")) {
            Ok(text) if !text.trim().is_empty() => {
                return resolve(&private.join(text.trim_end())) == dir.join(".git");
            }
            Ok(_) => true,
            // What cannot be read, a path that is no UTF-8 for one, may name somebody else's.
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        is_nameless && private.file_name() == dir.file_name() && names_nothing(private)
    };
    entries.filter_map(|entry| Some(entry.ok()?.into_path())).filter(is_one).collect()
}

/// Whether a private folder that names no worktree is one that nobody uses, by the rule of `git worktree prune`: it is
/// not locked, or only for as long as it is made. git was ended before it had written it, or while it removed it.
fn names_nothing(private: &Utf8Path) -> bool {
    match std::fs::read_to_string(private.join("locked")) {
        Ok(why) => ["", "initializing"].contains(&why.trim()),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Whether the checkout `workdir` is some agent's own worktree.
#[must_use]
pub fn is_an_agents(workdir: &Utf8Path) -> bool {
    let Ok(text) = std::fs::read_to_string(workdir.join(".git")) else { return false };
    let private = text.strip_prefix("gitdir: ").unwrap_or_default().trim_end_matches(['\n', '\r']);
    workdir.join(private).join(CLAIM).exists()
}

/// `path` with its symlinks resolved as far as it exists.
#[must_use]
pub fn resolve(path: &Utf8Path) -> Utf8PathBuf {
    if let Ok(path) = path.canonicalize_utf8() {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolve(parent).join(name),
        _ => path.to_owned(),
    }
}

/// The worktree of agent `id` of the installation whose state lies in `state`: `own` is where that keeps its claim.
///
/// # Errors
/// When a claim cannot be read.
pub fn find(
    common_dir: &Utf8Path,
    id: AgentId,
    state: &Utf8Path,
    own: &Utf8Path,
) -> Result<Option<Found>, WorktreeError> {
    for Worktree { private, dir } in all(common_dir) {
        let Some(claim) = WorktreeClaim::read(&private.join(CLAIM))? else { continue };
        if claim.agent == id && claim.state == state {
            return Ok(Some(Found { private, dir, claim }));
        }
    }
    // git may know the folder without our claim in it: the making was cut off. Or it has forgotten it.
    let Some(claim) = WorktreeClaim::read(own)? else { return Ok(None) };
    let known = all(common_dir).into_iter().find(|known| known.dir == claim.dir && !known.private.join(CLAIM).exists());
    let private = known.map_or_else(Utf8PathBuf::new, |known| known.private);
    Ok(Some(Found { private, dir: claim.dir.clone(), claim }))
}

/// The branch that a checkout is on: the name that its `HEAD` gives; `None` for one that is on none, or is gone.
#[must_use]
pub fn current_branch(workdir: &Utf8Path) -> Option<String> {
    let dot_git = workdir.join(".git");
    let git_dir = if dot_git.is_dir() {
        dot_git
    } else {
        let text = std::fs::read_to_string(&dot_git).ok()?;
        workdir.join(text.strip_prefix("gitdir: ")?.trim_end_matches(['\n', '\r']))
    };
    branch_of(&git_dir)
}

/// The branch that the `HEAD` in `git_dir` names.
fn branch_of(git_dir: &Utf8Path) -> Option<String> {
    let text = std::fs::read_to_string(git_dir.join("HEAD")).ok()?;
    Some(text.strip_prefix("ref: refs/heads/")?.trim_end_matches(['\n', '\r']).to_owned())
}

/// Where `branch` is checked out or being rebased.
pub(super) fn checked_out(root: &Utf8Path, common_dir: &Utf8Path, branch: &str) -> Option<Utf8PathBuf> {
    let is_at = |git_dir: &Utf8Path| {
        let rebased = ["rebase-merge/head-name", "rebase-apply/head-name"].iter().any(|file| {
            std::fs::read_to_string(git_dir.join(file))
                .is_ok_and(|text| text.trim_end() == format!("refs/heads/{branch}"))
        });
        rebased || branch_of(git_dir).as_deref() == Some(branch)
    };
    if is_at(common_dir) {
        return Some(root.to_owned());
    }
    all(common_dir).into_iter().find(|worktree| is_at(&worktree.private)).map(|worktree| worktree.dir)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::begun("agent-3", None, None, true)]
    #[case::of_another_agent("agent-31", None, Some("initializing"), false)]
    #[case::numbered("agent-31", Some("{}/agent-3/.git"), None, true)]
    #[case::being_made("agent-3", Some(""), Some("initializing"), true)]
    #[case::kept("agent-3", None, Some("on a stick"), false)]
    #[case::of_another_name("agent-x", None, None, false)]
    #[case::elsewhere("agent-3", Some("/elsewhere/agent-3/.git"), None, false)]
    #[case::no_utf_8("agent-3", Some("/café/agent-3/.git"), None, false)]
    fn only_what_nobody_uses_remains(
        #[case] name: &str,
        #[case] gitdir: Option<&str>,
        #[case] locked: Option<&str>,
        #[case] remains: bool,
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let common_dir = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let private = common_dir.join("worktrees").join(name);
        fs_err::create_dir_all(&private).expect("a folder");
        for (file, text) in [("gitdir", gitdir), ("locked", locked)] {
            let Some(text) = text else { continue };
            let text = text.replace("{}", common_dir.as_str());
            let latin_1: Vec<u8> = text.chars().map(|c| u8::try_from(c).expect("Latin-1")).collect();
            fs_err::write(private.join(file), latin_1).expect("a file");
        }
        let found = super::remains(common_dir, &common_dir.join("agent-3"));
        assert_eq!(found, if remains { vec![private] } else { Vec::new() });
    }
}

//! Removes the worktree of an agent, and its branch if nothing is on it that is not elsewhere.

use camino::Utf8Path;

use super::{
    Git, WorktreeError, branch,
    place::{self, Found},
    unlock::{await_git, unlock},
};
use crate::{model::worktree::BranchName, resource::tree, store::worktree::Stage};

/// What became of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BranchEnd {
    /// We made it, and all its commits are elsewhere too: removed.
    Removed(BranchName),
    /// It has commits of its own.
    Kept(BranchName),
    /// The worktree was on no branch; its commits got one.
    Rescued(BranchName),
    /// It was there before, or is gone, or somebody else has checked it out.
    Untouched,
}

/// Removes the worktree, whatever is in it: what would be lost was looked at and agreed to. No commit is lost. The
/// caller holds the agent's lock, and that of the repository's worktrees.
///
/// # Errors
/// When git or the file system fails; the same call goes on.
pub async fn remove(
    git: &Git,
    root: &Utf8Path,
    common_dir: &Utf8Path,
    own: &Utf8Path,
    found: &mut Found,
) -> Result<Vec<BranchEnd>, WorktreeError> {
    let mut ends = Vec::new();
    if found.private.exists() {
        ends.extend(rescue(git, root, found).await?);
    }
    if found.private.as_str().is_empty() {
        found.claim.stage = Stage::Removing;
        found.claim.write(own)?;
    } else {
        found.advance(own, Stage::Removing)?;
    }
    folder_and_registration(git, root, common_dir, found).await?;
    unlock(common_dir, found).await?;
    ends.push(end_branch(git, root, common_dir, found).await?);
    Ok(ends)
}

/// Gives commits that only a detached `HEAD` has a branch.
async fn rescue(git: &Git, root: &Utf8Path, found: &Found) -> Result<Option<BranchEnd>, WorktreeError> {
    // Its folder may be gone already: its private folder still knows its HEAD.
    let of_it = ["--git-dir", found.private.as_str()];
    let head = git.ask(root, &[&of_it[..], &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]].concat()).await?;
    let on_branch = git.ask(root, &[&of_it[..], &["symbolic-ref", "--quiet", "HEAD"]].concat()).await?.is_some();
    let Some(head) = head.filter(|_| !on_branch) else { return Ok(None) };
    let head = head.trim_end();
    let alone = [head, "--not", "--branches", "--tags", "--remotes"].map(str::to_owned);
    if branch::count(git, root, &alone).await? == 0 {
        return Ok(None);
    }
    let short = head.get(..8).unwrap_or(head);
    let name: BranchName = format!("{}-kept-{short}", found.claim.agent.name()).parse()?;
    git.run(root, &["branch", "--no-track", "--force", name.as_str(), head]).await?;
    Ok(Some(BranchEnd::Rescued(name)))
}

/// Removes the folder, then what git keeps of it.
pub(super) async fn folder_and_registration(
    git: &Git,
    root: &Utf8Path,
    common_dir: &Utf8Path,
    found: &Found,
) -> Result<(), WorktreeError> {
    let dir = &found.dir;
    await_git(found).await?;
    tree::remove(dir).await.map_err(|source| WorktreeError::File { act: "remove", path: dir.clone(), source })?;
    registration(git, root, common_dir, found).await
}

/// Has git forget a worktree of ours whose folder is gone.
pub(super) async fn registration(
    git: &Git,
    root: &Utf8Path,
    common_dir: &Utf8Path,
    found: &Found,
) -> Result<(), WorktreeError> {
    if !found.private.as_str().is_empty() && found.private.exists() {
        // Twice: a locked one too, as `git worktree add` leaves it when it is cut off.
        git.run(root, &["worktree", "remove", "--force", "--force", found.dir.as_str()]).await?;
    }
    for private in place::remains(common_dir, &found.dir) {
        tree::remove(&private).await.map_err(|source| WorktreeError::File { act: "remove", path: private, source })?;
    }
    Ok(())
}

async fn end_branch(
    git: &Git,
    root: &Utf8Path,
    common_dir: &Utf8Path,
    found: &Found,
) -> Result<BranchEnd, WorktreeError> {
    let branch = &found.claim.branch;
    let exists = git.ask(root, &["show-ref", "--verify", "--quiet", &branch.reference()]).await?.is_some();
    let elsewhere = place::checked_out(root, common_dir, branch.as_str()).is_some();
    if !exists || elsewhere {
        return Ok(BranchEnd::Untouched);
    }
    if !branch::is_merged(git, root, branch).await? {
        return Ok(BranchEnd::Kept(branch.clone()));
    }
    if !found.claim.made_branch {
        return Ok(BranchEnd::Untouched);
    }
    git.run(root, &["branch", "--quiet", "-D", "--", branch.as_str()]).await?;
    Ok(BranchEnd::Removed(branch.clone()))
}

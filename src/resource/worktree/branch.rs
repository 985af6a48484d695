//! What git knows of a branch, and what becomes of an agent's.

use camino::Utf8Path;

use super::{Git, WorktreeError, place};
use crate::model::worktree::{BranchFacts, BranchName, BranchPlan, InvalidBranch, plan};

/// How the worktree of an agent gets `branch`; `asked` when a person named it.
pub(super) async fn choose(
    git: &Git,
    root: &Utf8Path,
    common_dir: &Utf8Path,
    branch: &BranchName,
    asked: bool,
) -> Result<BranchPlan, WorktreeError> {
    let reference = branch.reference();
    if git.ask(root, &["check-ref-format", &reference]).await?.is_none() {
        return Err(InvalidBranch(branch.to_string()).into());
    }
    if git.ask(root, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await?.is_none() {
        return Err(WorktreeError::NoCommit { root: root.to_owned() });
    }
    let local = git.ask(root, &["show-ref", "--verify", "--quiet", &reference]).await?.is_some();
    let own_commits = if local { count(git, root, &["HEAD..".to_owned() + &reference]).await? } else { 0 };
    let facts = BranchFacts {
        local,
        own_commits,
        remote: remote(git, root, branch).await?,
        checked_out: place::checked_out(root, common_dir, branch.as_str()),
    };
    plan(&facts, asked).map_err(|refused| WorktreeError::Branch { branch: branch.clone(), refused })
}

/// The remote-tracking branches called `branch`.
async fn remote(git: &Git, root: &Utf8Path, branch: &BranchName) -> Result<Vec<String>, WorktreeError> {
    let remotes = git.run(root, &["remote"]).await?;
    let all = git.run(root, &["for-each-ref", "--format=%(refname)", "refs/remotes"]).await?;
    let wanted: Vec<String> = remotes.lines().map(|remote| format!("refs/remotes/{remote}/{branch}")).collect();
    Ok(all.lines().filter(|name| wanted.iter().any(|wanted| wanted == name)).map(str::to_owned).collect())
}

/// How many commits `revisions` name.
pub(super) async fn count(git: &Git, root: &Utf8Path, revisions: &[String]) -> Result<usize, WorktreeError> {
    let mut args = vec!["rev-list", "--count"];
    args.extend(revisions.iter().map(String::as_str));
    let text = git.run(root, &args).await?;
    text.trim().parse().map_err(|_| WorktreeError::Answer { args: args.join(" "), text })
}

/// Whether all commits of `branch` are in the project's HEAD, in what a remote calls its HEAD, or in the branch that
/// it tracks.
pub(super) async fn is_merged(git: &Git, root: &Utf8Path, branch: &BranchName) -> Result<bool, WorktreeError> {
    let reference = branch.reference();
    let heads = git.run(root, &["for-each-ref", "--format=%(refname)", "refs/remotes/*/HEAD"]).await?;
    let tracked = git.run(root, &["for-each-ref", "--format=%(upstream)", &reference]).await?;
    for other in ["HEAD"].into_iter().chain(heads.lines()).chain(tracked.lines()).filter(|name| !name.is_empty()) {
        // A tracked branch may have been removed meanwhile.
        if git.ask(root, &["rev-parse", "--verify", "--quiet", &format!("{other}^{{commit}}")]).await?.is_none() {
            continue;
        }
        if git.ask(root, &["merge-base", "--is-ancestor", &reference, other]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

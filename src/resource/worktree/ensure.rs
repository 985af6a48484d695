//! Makes the worktree of an agent, or finds it as it is; what was cut off is repaired.

use camino::Utf8Path;

use super::{
    Git, WorktreeError, branch,
    place::{self, Found},
    remove,
    unlock::unlock,
};
use crate::{
    model::{
        id::AgentId,
        worktree::{BranchName, BranchPlan},
    },
    store::worktree::{Stage, WorktreeClaim},
};

/// A worktree as it is wanted.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// git.
    pub git: &'a Git,
    /// Whose it is to be.
    pub id: AgentId,
    /// The state directory of this installation.
    pub state: &'a Utf8Path,
    /// Where this installation keeps its claim.
    pub own: &'a Utf8Path,
    /// The project's main checkout.
    pub root: &'a Utf8Path,
    /// The repository.
    pub common_dir: &'a Utf8Path,
    /// Where a new one is made.
    pub dir: &'a Utf8Path,
    /// The branch that a person asked for.
    pub branch: Option<&'a BranchName>,
}

impl Request<'_> {
    /// The branch of a new worktree.
    fn branch(&self) -> Result<BranchName, WorktreeError> {
        match self.branch {
            Some(branch) => Ok(branch.clone()),
            None => Ok(self.id.name().parse()?),
        }
    }
}

/// Whether a new worktree could be made. Nothing is changed.
///
/// # Errors
/// As [`ensure`].
pub async fn check(request: &Request<'_>) -> Result<(), WorktreeError> {
    let Request { git, root, common_dir, .. } = *request;
    branch::choose(git, root, common_dir, &request.branch()?, request.branch.is_some()).await?;
    free_place(request, request.dir)
}

/// Makes the worktree, or finds it. All tracked files of its branch are there afterwards. The caller holds the agent's
/// lock, and that of the repository's worktrees.
///
/// # Errors
/// When the branch cannot be had, something else is at that place, or git fails. What is not ours is left as it is.
pub async fn ensure(request: &Request<'_>) -> Result<Found, WorktreeError> {
    let Request { git, id, state, own, common_dir, .. } = *request;
    let Some(mut found) = place::find(common_dir, id, state, own)? else {
        return add(request, request.dir, request.branch()?, request.branch.is_some()).await;
    };
    found.check_branch(request.branch)?;
    match found.claim.stage {
        Stage::Adding => {
            undo_adding(request, &found).await?;
            again(request, &found, request.branch.is_some()).await
        }
        Stage::Removing => {
            remove::folder_and_registration(git, request.root, common_dir, &found).await?;
            again(request, &found, request.branch.is_some()).await
        }
        _ if !found.dir.exists() => {
            // Removed by hand. Its commits are on its branch.
            remove::registration(git, request.root, common_dir, &found).await?;
            again(request, &found, true).await
        }
        _ if !found.is_there() => Err(WorktreeError::Forgotten { id, dir: found.dir }),
        Stage::CheckingOut => {
            check_out(git, common_dir, &mut found, own).await?;
            Ok(found)
        }
        Stage::Filling | Stage::Preparing | Stage::Ready => Ok(found),
    }
}

/// Makes anew what was half made or removed by hand, at the same place and on the same branch unless another one is
/// asked for. With `keep` the commits on that branch are gone on with.
async fn again(request: &Request<'_>, before: &Found, keep: bool) -> Result<Found, WorktreeError> {
    let WorktreeClaim { branch, dir, .. } = before.claim.clone();
    let wanted = request.branch.unwrap_or(&branch).clone();
    let is_default = wanted.as_str() == request.id.name();
    let is_same = wanted == branch;
    let mut found = add(request, &dir, wanted, keep || !is_default).await?;
    found.claim.made_branch |= is_same && before.claim.made_branch;
    let stage = found.claim.stage;
    found.advance(request.own, stage)?;
    Ok(found)
}

async fn add(request: &Request<'_>, dir: &Utf8Path, branch: BranchName, asked: bool) -> Result<Found, WorktreeError> {
    let Request { git, id, root, common_dir, own, .. } = *request;
    let plan = branch::choose(git, root, common_dir, &branch, asked).await?;
    let file = |act, path: &Utf8Path| {
        let path = path.to_owned();
        move |source| WorktreeError::File { act, path, source }
    };
    if let Some(parent) = dir.parent() {
        fs_err::create_dir_all(parent).map_err(file("make", parent))?;
    }
    let dir = place::resolve(dir);
    free_place(request, &dir)?;
    let claim = WorktreeClaim::new(id, request.state, &dir, branch.clone(), plan.makes());
    claim.write(own)?;
    let (name, path) = (branch.as_str(), dir.as_str());
    let mut args = vec!["worktree", "add", "--no-checkout", "--quiet"];
    match &plan {
        BranchPlan::New => args.extend(["--no-track", "-b", name, path, "HEAD"]),
        BranchPlan::Renew => args.extend(["--no-track", "-B", name, path, "HEAD"]),
        BranchPlan::Use => args.extend([path, name]),
        BranchPlan::Track(remote) => args.extend(["--track", "-b", name, path, remote]),
    }
    git.run(root, &args).await?;
    let made = place::all(common_dir).into_iter().find(|made| made.dir == dir);
    let private = made.ok_or_else(|| WorktreeError::Taken { id, dir: dir.clone() })?.private;
    let mut found = Found { private, dir, claim };
    found.advance(own, Stage::CheckingOut)?;
    check_out(git, common_dir, &mut found, own).await?;
    Ok(found)
}

/// Refuses a place where something is.
fn free_place(request: &Request<'_>, dir: &Utf8Path) -> Result<(), WorktreeError> {
    match dir.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Ok(metadata) if metadata.is_dir() && is_empty(dir) => {}
        Ok(_) => return Err(WorktreeError::Taken { id: request.id, dir: dir.to_owned() }),
        Err(source) => return Err(WorktreeError::File { act: "look at", path: dir.to_owned(), source }),
    }
    if place::all(request.common_dir).iter().any(|known| known.dir == *dir) {
        return Err(WorktreeError::Remembered { dir: dir.to_owned(), root: request.root.to_owned() });
    }
    Ok(())
}

/// Writes the tracked files. Nobody was told of the worktree yet, so there is nothing in it that could be lost.
async fn check_out(git: &Git, common_dir: &Utf8Path, found: &mut Found, own: &Utf8Path) -> Result<(), WorktreeError> {
    unlock(common_dir, found).await?;
    git.run(&found.dir, &["reset", "--hard", "--quiet"]).await?;
    found.advance(own, Stage::Filling)
}

/// Takes back what `git worktree add` had done when it was cut off. It writes no file of the project, so a folder that
/// holds anything but git's own link is somebody else's.
async fn undo_adding(request: &Request<'_>, found: &Found) -> Result<(), WorktreeError> {
    unlock(request.common_dir, found).await?;
    let foreign = found
        .dir
        .read_dir_utf8()
        .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != ".git")));
    let ours = found.private.as_str().is_empty() || !found.dir.exists() || found.is_there() || is_empty(&found.dir);
    if foreign || !ours {
        return Err(WorktreeError::Taken { id: request.id, dir: found.dir.clone() });
    }
    remove::folder_and_registration(request.git, request.root, request.common_dir, found).await
}

fn is_empty(dir: &Utf8Path) -> bool {
    dir.read_dir_utf8().is_ok_and(|mut entries| entries.next().is_none())
}

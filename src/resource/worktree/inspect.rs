//! What is in a worktree and nowhere else.

use camino::Utf8Path;

use super::{Git, WorktreeError, place::Found};
use crate::model::worktree::{Losses, Operation, changed_files};

/// The status that counts: untracked files too, whatever the user's configuration hides.
const STATUS: [&str; 5] = ["status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=none"];
/// Commits that are looked up by name; more are only counted as many.
const COMMITS: &str = "--max-count=1000";

/// What the removal of this worktree would lose.
///
/// # Errors
/// When git cannot say: then nothing may be removed.
pub async fn losses(git: &Git, found: &Found) -> Result<Losses, WorktreeError> {
    if !found.is_there() {
        return Err(WorktreeError::Forgotten { id: found.claim.agent, dir: found.dir.clone() });
    }
    let (mut files, mut submodules) = changed_files(&git.run(&found.dir, &STATUS).await?);
    files.extend(hidden(git, &found.dir).await?);
    for path in initialised_submodules(git, &found.dir).await? {
        // Its repository lies in the private folder of the worktree and goes with it, branches and all.
        let dir = found.dir.join(&path);
        let own =
            git.run(&dir, &["log", "--format=%h", "--max-count=1", "--all", "HEAD", "--not", "--remotes"]).await?;
        if !own.is_empty() && !submodules.contains(&path) {
            submodules.push(path);
        }
    }
    let trace = |(file, operation): &(&str, Operation)| found.private.join(file).exists().then_some(*operation);
    let operation = Operation::TRACES.iter().find_map(trace);
    Ok(Losses { files, commits: own_commits(git, found).await?, operation, submodules })
}

/// The commits of `HEAD` that no other branch, no tag and no remote has.
async fn own_commits(git: &Git, found: &Found) -> Result<Vec<String>, WorktreeError> {
    let dir = &found.dir;
    if git.ask(dir, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await?.is_none() {
        return Ok(Vec::new());
    }
    let branch = git.ask(dir, &["symbolic-ref", "--quiet", "HEAD"]).await?;
    // Relative to what --branches looks at.
    let exclude = branch.map(|branch| format!("--exclude={}", branch.trim_end().trim_start_matches("refs/heads/")));
    let mut args = vec!["log", "--format=%h %s", COMMITS, "HEAD", "--not", "--remotes", "--tags"];
    args.extend(exclude.as_deref());
    args.push("--branches");
    Ok(git.run(dir, &args).await?.lines().map(str::to_owned).collect())
}

/// Changed files that git was told not to look at (`--assume-unchanged`, `--skip-worktree`).
async fn hidden(git: &Git, dir: &Utf8Path) -> Result<Vec<String>, WorktreeError> {
    let listed = git.run(dir, &["ls-files", "-v", "-z"]).await?;
    let mut changed = Vec::new();
    for line in listed.split('\0') {
        let Some((tag, path)) = line.split_once(' ') else { continue };
        let told = tag == "S" || tag.starts_with(|c: char| c.is_ascii_lowercase());
        if !told || dir.join(path).symlink_metadata().is_err() {
            continue;
        }
        let known = git.run(dir, &["ls-files", "--stage", "-z", "--", &format!(":(literal){path}")]).await?;
        let is = git.run(dir, &["hash-object", "--", path]).await?;
        if known.split(' ').nth(1) != Some(is.trim_end()) {
            changed.push(path.to_owned());
        }
    }
    Ok(changed)
}

/// Submodules that have a repository here, those inside of submodules included.
async fn initialised_submodules(git: &Git, dir: &Utf8Path) -> Result<Vec<String>, WorktreeError> {
    if !dir.join(".gitmodules").exists() {
        return Ok(Vec::new());
    }
    let listed = git.run(dir, &["submodule", "foreach", "--quiet", "--recursive", "echo \"$displaypath\""]).await?;
    Ok(listed.lines().map(str::to_owned).collect())
}

//! Where an agent runs, and its own worktree: made, filled with what git ignores, looked at before it is removed.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::{OpsError, context, hand_over::Source, prepare, project::Project, teardown::Orders};
use crate::{
    config::{locate, paths::Paths, settings, text},
    error::Result,
    model::{
        id::AgentId,
        worktree::{BranchName, Losses},
    },
    output::progress::Progress,
    resource::{
        env_file,
        tree::{self, Brought, Item, Rules},
        worktree::{self, BranchEnd, Found, Git, Request, WorktreeError},
    },
    store::{
        lock::Lock,
        record::{AgentRecord, AgentSecrets},
        registry::AgentClaim,
        worktree::Stage,
    },
};

/// The tree that an agent's processes run in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// A checkout that is there already.
    Checkout(Utf8PathBuf),
    /// The agent's own worktree.
    Worktree {
        /// Where it is, or is to be.
        dir: Utf8PathBuf,
        /// The branch that was asked for.
        branch: Option<BranchName>,
    },
}

impl Home {
    pub(super) fn dir(&self) -> &Utf8Path {
        match self {
            Self::Checkout(dir) | Self::Worktree { dir, .. } => dir,
        }
    }
}

/// A worktree as `launch` asks for it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `--worktree`
    pub worktree: bool,
    /// `--branch`
    pub branch: Option<BranchName>,
}

/// Where agent `id` runs: where it ran before; a new one in a worktree of its own, if that is `wanted`, else in the
/// checkout of this command. Another agent's worktree is not that: from there, it is the project's own checkout.
pub(super) async fn home(
    project: &Project,
    id: AgentId,
    previous: Option<&AgentRecord>,
    wanted: &Wanted,
) -> Result<Home> {
    let (settings, paths) = (&project.settings, &project.paths);
    let branch = wanted.branch.clone();
    if let Some(found) = worktree::find(&settings.common_dir, id, &paths.state, &paths.worktree_claim(id))? {
        found.check_branch(branch.as_ref())?;
        return Ok(Home::Worktree { dir: found.dir, branch });
    }
    let before = previous.map(|record| record.workdir.clone()).filter(|workdir| workdir.is_dir());
    if !wanted.worktree {
        let here = if worktree::is_an_agents(&settings.workdir) { &settings.project_root } else { &settings.workdir };
        return Ok(Home::Checkout(before.unwrap_or_else(|| here.clone())));
    }
    if let Some(workdir) = before {
        return Err(OpsError::RunsElsewhere { id, workdir }.into());
    }
    let values = context::of_agent(settings, id, &settings.project_root, &IndexMap::new(), &AgentSecrets::none());
    let user = project.base_env.get("HOME").map_or("/", String::as_str);
    let dir = text::resolve_worktree_dir(&settings.manifest, &values, user)?;
    let dir = worktree::resolve(&settings.project_root.join(dir));
    // Before anything is written down of the agent: what cannot be had leaves no trace.
    let (git, own) = (Git::new(&project.base_env), paths.worktree_claim(id));
    let (root, common_dir) = (&settings.project_root, &settings.common_dir);
    let request =
        Request { git: &git, id, state: &paths.state, own: &own, root, common_dir, dir: &dir, branch: branch.as_ref() };
    worktree::check(&request).await?;
    Ok(Home::Worktree { dir, branch })
}

/// Makes the worktree `dir` of agent `id`, or finds it, and fills it, if that was not done yet.
pub(super) async fn ensure(
    project: &Project,
    id: AgentId,
    ports: &IndexMap<String, u16>,
    dir: &Utf8Path,
    branch: Option<&BranchName>,
    progress: &Progress,
) -> Result<()> {
    let (settings, paths) = (&project.settings, &project.paths);
    let git = Git::new(&project.base_env);
    let own = paths.worktree_claim(id);
    let (root, common_dir) = (&settings.project_root, &settings.common_dir);
    env_file::ensure_excluded(common_dir)?;
    let mut found = {
        let _lock = lock(paths, common_dir, "launch --worktree").await?;
        let request = Request { git: &git, id, state: &paths.state, own: &own, root, common_dir, dir, branch };
        worktree::ensure(&request).await?
    };
    if found.claim.stage == Stage::Filling {
        progress.tell(format_args!("     worktree {} on the branch {}", found.dir, found.claim.branch));
        if !found.dir.join(locate::MANIFEST).exists() {
            progress.tell("     agent-harness/ is not committed there: its scripts are in the project's checkout only");
        }
        fill(project, &git, &found.dir, progress).await?;
        found.advance(&own, Stage::Preparing)?;
    }
    tree::finish(&found.dir).await?;
    if found.claim.stage == Stage::Preparing {
        if let Some(run) = &settings.manifest.worktree.prepare {
            let shown = progress.begin("prepare worktree");
            let none = AgentSecrets::none();
            let values = context::of_agent(settings, id, &found.dir, ports, &none);
            // No [[prepare]] can have a name with a dot.
            let result = prepare::once(project, "worktree.prepare", run, &values).await;
            match result {
                Ok(()) => shown.done(),
                Err(error) => {
                    shown.failed();
                    return Err(error);
                }
            };
        }
        found.advance(&own, Stage::Ready)?;
    }
    Ok(())
}

/// Removing a big worktree takes a while, and `teardown --all` removes several.
const LOCK_PATIENCE: Duration = Duration::from_mins(10);

/// Only one command at a time changes what git keeps of a repository's worktrees.
async fn lock(paths: &Paths, common_dir: &Utf8Path, command: &str) -> Result<Lock> {
    Ok(Lock::acquire(&paths.locks(), &format!("worktrees-{}", prepare::key(common_dir)), command, LOCK_PATIENCE)
        .await?)
}

/// Brings what git ignores and the app needs, and what is known of it.
async fn fill(project: &Project, git: &Git, dir: &Utf8Path, progress: &Progress) -> Result<()> {
    let settings = &project.settings;
    let root = &settings.project_root;
    let source = Source::hold(project, root).await?;
    let rules = Rules::new(root, &settings.manifest.worktree)?;
    let items = tree::select(root, dir, &rules, &git.ignored(root).await?).await?;
    let half: Vec<&str> = source.half_made().collect();
    let (items, left): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| is_whole(item, &half) && !is_own(item, dir, root));
    for Item { path, .. } in left.iter().filter(|item| !is_own(item, dir, root)) {
        progress.tell(format_args!("     {path} is not whole in {root} and was not brought"));
    }
    let items = ignored_there(git, dir, items).await?;
    let Brought { reflinked, linked, copied, symlinks, whole, .. } =
        tree::bring(root, dir, &items, &rules, &source.state()).await?;
    let brought = |path: &str| whole.iter().any(|item| Utf8Path::new(path).starts_with(item));
    let known = source.hand_over(dir, brought)?;
    if reflinked + linked + copied + symlinks > 0 {
        progress.tell(format_args!(
            "     brought {} of {root}: {linked} files linked, {reflinked} reflinked, {copied} copied, {symlinks} symlinks",
            items.iter().map(|item| item.path.as_str()).collect::<Vec<_>>().join(", ")
        ));
    }
    if !known.is_empty() {
        progress.tell(format_args!("     as prepared there: {}", known.join(", ")));
    }
    Ok(())
}

/// Whether nothing of the item was made by a command that did not come to its end. Folders of one name, such as
/// `node_modules`, are made by one command.
fn is_whole(item: &Item, half: &[&str]) -> bool {
    !half.iter().map(Utf8Path::new).any(|output| {
        let same_name = output.file_name().is_some() && output.file_name() == item.path.file_name();
        item.path.starts_with(output) || output.starts_with(&item.path) || same_name
    })
}

/// Whether the item is what the harness itself puts into a checkout, or holds the worktree that is filled.
fn is_own(item: &Item, dir: &Utf8Path, root: &Utf8Path) -> bool {
    let name = item.path.file_name().unwrap_or_default();
    name.starts_with(".env.agent.") || name == "harness.local.toml" || dir.starts_with(root.join(&item.path))
}

/// The items that git ignores in the worktree too: the others would be changes there.
async fn ignored_there(git: &Git, dir: &Utf8Path, items: Vec<Item>) -> Result<Vec<Item>> {
    let paths: Vec<String> = items.iter().map(Item::path_for_git).collect();
    let ignored = git.would_ignore(dir, &paths).await?;
    let kept = items.into_iter().zip(paths).filter(|(_, path)| ignored.contains(path)).map(|(item, _)| item);
    Ok(kept.collect())
}

/// What came of a removal.
#[derive(Clone, Debug, Default)]
pub(super) struct Removed {
    /// What was there and is gone.
    pub(super) what: Vec<String>,
    /// Branches with commits that are nowhere else.
    pub(super) kept: Vec<String>,
}

/// The worktree of an agent that is to be torn down.
#[derive(Clone, Debug)]
pub(super) struct Doomed {
    git: Git,
    paths: Paths,
    project: Option<locate::Project>,
    found: Found,
}

impl Doomed {
    /// The worktree of agent `id`, if it has one: found by what git or this installation knows of it.
    pub(super) fn find(orders: Orders<'_>, id: AgentId, claim: Option<&AgentClaim>) -> Result<Option<Self>> {
        let Orders { paths, environment, .. } = orders;
        // Without a claim it can only be of the project that this command is called in. A project that is gone is no
        // reason to keep its agents.
        let place = claim.map(|claim| claim.project.clone()).or_else(|| settings::current_directory().ok());
        let project = place.and_then(|place| locate::project(&place).ok());
        let own = paths.worktree_claim(id);
        let nowhere = Utf8Path::new("/nonexistent");
        let common_dir = project.as_ref().map_or(nowhere, |project| &project.common_dir);
        let found = worktree::find(common_dir, id, &paths.state, &own)?;
        let git = Git::new(&environment.base());
        Ok(found.map(|found| Self { git, paths: paths.clone(), project, found }))
    }

    /// Refuses when its removal would lose work, unless that is agreed to.
    pub(super) async fn check(&self, force: bool) -> Result<()> {
        let Found { dir, claim, .. } = &self.found;
        // Before its files were there nobody worked in it; and a removal that was agreed to only goes on.
        let is_used = matches!(claim.stage, Stage::Filling | Stage::Preparing | Stage::Ready);
        if force || !is_used || !dir.exists() {
            return Ok(());
        }
        let losses: Losses = worktree::losses(&self.git, &self.found).await?;
        if losses.is_empty() {
            return Ok(());
        }
        Err(WorktreeError::WouldLose { id: claim.agent, dir: dir.clone(), losses }.into())
    }

    /// Removes it.
    pub(super) async fn remove(mut self) -> Result<Removed> {
        let dir = self.found.dir.clone();
        let was_there = dir.exists();
        let own = self.paths.worktree_claim(self.found.claim.agent);
        let ends = if let Some(locate::Project { common_dir, root, .. }) = &self.project {
            let _lock = lock(&self.paths, common_dir, "teardown").await?;
            worktree::remove(&self.git, root, common_dir, &own, &mut self.found).await?
        } else {
            let fail = |source| OpsError::File { act: "remove", path: dir.clone(), source };
            tree::remove(&dir).await.map_err(fail)?;
            Vec::new()
        };
        let memory = self.paths.workdir(&prepare::key(&dir));
        tree::remove(&memory).await.map_err(|source| OpsError::File { act: "remove", path: memory, source })?;
        let mut removed = Removed::default();
        if was_there {
            removed.what.push(format!("worktree {dir}"));
        }
        for end in ends {
            match end {
                BranchEnd::Removed(branch) => removed.what.push(format!("branch {branch}")),
                BranchEnd::Kept(branch) | BranchEnd::Rescued(branch) => removed.kept.push(branch.to_string()),
                BranchEnd::Untouched => {}
            }
        }
        Ok(removed)
    }
}

//! `uninstall`: removes everything of ours that belongs to this user: agents, infra with all its data, state and cache.
//! The program itself and what `init` wrote into projects are not touched.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    demo, remains, setup,
    teardown::{self, Orders},
};
use crate::{
    error::{Error, Result},
    model::id::AgentId,
    output::progress::Progress,
    store::{
        lock::{Lock, PATIENCE},
        registry::Registry,
    },
};

/// An agent that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Doomed {
    /// Its id.
    pub id: AgentId,
    /// The project that it belongs to.
    #[schemars(with = "String")]
    pub project: Utf8PathBuf,
    /// The tree that its processes run in; a worktree of ours is removed.
    #[schemars(with = "String")]
    pub workdir: Utf8PathBuf,
}

/// What there is to remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// Agents with their databases, buckets, mailboxes and processes.
    pub agents: Vec<Doomed>,
    /// The project that set the infra up, whose databases, objects and mails go with those of all others.
    #[schemars(with = "Option<String>")]
    pub infra_of: Option<Utf8PathBuf>,
    /// Directories.
    #[schemars(with = "Vec<String>")]
    pub directories: Vec<Utf8PathBuf>,
}

/// What [`uninstall`] came to.
#[derive(Debug)]
pub struct Removed {
    /// Agents that could not be torn down; then nothing else was removed.
    pub failures: Vec<(AgentId, Error)>,
    /// Directories that stay, because something lies in them which is not ours.
    pub kept: Vec<Utf8PathBuf>,
}

/// Looks what there is.
///
/// # Errors
/// When the registry cannot be read.
pub fn plan(orders: Orders<'_>) -> Result<Plan> {
    let paths = orders.paths;
    let registry = Registry::read(&paths.registry())?;
    let doomed = |(id, claim): (&AgentId, &crate::store::registry::AgentClaim)| Doomed {
        id: *id,
        project: claim.project.clone(),
        workdir: claim.workdir.clone(),
    };
    let directories = [&paths.state, &paths.cache].into_iter().filter(|path| path.exists()).cloned();
    Ok(Plan {
        agents: registry.agents().iter().map(doomed).collect(),
        infra_of: registry.infra().map(|claim| claim.project.clone()),
        directories: directories.collect(),
    })
}

/// Removes it all: the agents first, and nothing else as long as one of them cannot be torn down.
///
/// # Errors
/// When a person's work lies in the demo and it is not forced, another command is at work, or something cannot be
/// removed.
pub async fn uninstall(orders: Orders<'_>, progress: &Progress) -> Result<Removed> {
    let paths = orders.paths;
    let mut removed = Removed { failures: Vec::new(), kept: Vec::new() };
    if paths.state.exists() {
        crate::config::settings::make_directories(paths)?;
        let lock = Lock::acquire(&paths.locks(), "infra", "uninstall", PATIENCE).await?;
        demo::check_edits(orders).await?;
        // A teardown may have to start the infra, which takes this lock.
        lock.remove()?;
        (_, removed.failures) = teardown::all(orders, progress).await?;
        if !removed.failures.is_empty() {
            return Ok(removed);
        }
        setup::remove(paths).await?;
    }
    for (path, is_gone) in [(&paths.state, remains::state(paths)?), (&paths.cache, remains::cache(paths)?)] {
        if !is_gone {
            removed.kept.push(path.clone());
        }
    }
    Ok(removed)
}

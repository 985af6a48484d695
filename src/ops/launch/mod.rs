//! `launch`: every step is ensured, those that do not need each other at once; the last one is the proof.

mod standing;
mod steps;

use std::str::FromStr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use self::steps::Launch;
use super::{
    project::Project,
    run,
    session::Session,
    worktree::{self, Wanted},
};
use crate::{
    error::Result,
    model::{
        id::{AgentId, InvalidAgentId},
        ports,
        stack::StackName,
    },
    output::progress::Progress,
    store::{
        journal::Journal,
        lock::{Lock, PATIENCE},
        record::AgentRecord,
        registry::Registry,
    },
    supervisor::builtin::Builtin,
};

/// Which id to launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    Id(AgentId),
    /// The lowest that is free and whose ports can be used.
    Next,
}

impl Choice {
    /// The id, unless it is still to be found.
    #[must_use]
    pub const fn known(self) -> Option<AgentId> {
        match self {
            Self::Id(id) => Some(id),
            Self::Next => None,
        }
    }
}

impl FromStr for Choice {
    type Err = InvalidAgentId;

    fn from_str(text: &str) -> Result<Self, InvalidAgentId> {
        if text == "next" { Ok(Self::Next) } else { text.parse().map(Self::Id) }
    }
}

/// What a launch can be told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A worktree of its own.
    pub worktree: Wanted,
    /// Record the launching shell's environment anew, and bring the agent up to it.
    pub refresh_env: bool,
    /// Bring an agent that runs up to today's manifest.
    pub update: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The agent.
    pub id: AgentId,
    /// What was done.
    pub outcome: Outcome,
    /// Its pages by name.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub urls: IndexMap<String, String>,
    /// Its terminal session, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

/// What a launch did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The agent was brought up and proven healthy.
    Launched {
        /// Milliseconds of each step, in the order in which they were done.
        #[schemars(with = "std::collections::BTreeMap<String, u64>")]
        steps: IndexMap<String, u64>,
        /// Milliseconds of `CREATE DATABASE`, which the step `database` contains; none when it was there already.
        create_database_ms: Option<u64>,
    },
    /// It ran already; nothing was changed.
    Unchanged {
        /// What moved on since its launch, each with the command that brings it up.
        moved_on: Vec<String>,
    },
}

/// Launches the agent of `choice`.
///
/// # Errors
/// When its ports cannot be used or are taken, or a step fails. What was done is kept; the same command goes on.
pub async fn launch(project: &Project, choice: Choice, options: Options, progress: &Progress) -> Result<Report> {
    let (id, is_new) = claim(project, choice).await?;
    let paths = &project.paths;
    let _lock = Lock::acquire(&paths.locks(), &id.name(), &format!("launch {id}"), PATIENCE).await?;
    Builtin::new(paths).finish_stopping(StackName::Agent(id)).await?;
    let previous = AgentRecord::read(&paths.record(id))?;
    let home = match worktree::home(project, id, previous.as_ref(), &options.worktree).await {
        Ok(home) => home,
        Err(error) => {
            if is_new && previous.is_none() {
                release(project, id).await?;
            }
            return Err(error);
        }
    };
    if let Some(record) = previous.clone().filter(|_| !options.refresh_env && !options.update)
        && let Some(report) = standing::running(project, record, progress).await?
    {
        return Ok(report);
    }
    if options.refresh_env {
        // An environment that is of no use is not recorded.
        project.requirements().await?;
    }
    let was_healthy = previous.as_ref().is_none_or(|record| record.healthy);
    let record = standing::begin(project, id, previous, home.dir(), &options)?;
    register(project, id, home.dir()).await?;
    record.write(&paths.record(id))?;
    let mut journal = Journal::open(&paths.journal(id))?;
    let launch = Launch::new(project, progress, record, was_healthy, home);
    let times = launch.work().run("launch", &mut journal, progress).await?;
    let (mut record, created) = launch.finish();
    record.healthy = true;
    record.has_been_healthy = true;
    record.write(&paths.record(id))?;
    journal.clear()?;
    let urls = record.urls;
    let create_database_ms = created.map(run::millis);
    Ok(Report {
        id,
        outcome: Outcome::Launched { steps: run::by_name(times), create_database_ms },
        urls,
        session: None,
    })
}

/// Makes the id this project's, after its ports were found usable. Also says whether it was not that before.
async fn claim(project: &Project, choice: Choice) -> Result<(AgentId, bool)> {
    let settings = &project.settings;
    let usable = |id| ports::of_agent(&settings.manifest, &settings.infra_ports, id);
    if let Choice::Id(id) = choice {
        usable(id)?;
    }
    let claim = |registry: &mut Registry| {
        let id = match choice {
            Choice::Id(id) => id,
            Choice::Next => registry.next_free(|id| usable(id).is_ok())?,
        };
        // Where it will run is known once its lock is held.
        let before = registry.agents().get(&id).map(|claim| claim.workdir.clone());
        let is_new = before.is_none();
        registry.claim(id, &settings.project_root, &before.unwrap_or_else(|| settings.project_root.clone()))?;
        Ok((id, is_new))
    };
    Ok(Registry::change(&project.paths.registry(), &project.paths.locks(), "launch", claim).await?)
}

/// Records where the agent runs, so that a teardown without its record knows.
async fn register(project: &Project, id: AgentId, workdir: &camino::Utf8Path) -> Result<()> {
    let claim = |registry: &mut Registry| registry.claim(id, &project.settings.project_root, workdir);
    Ok(Registry::change(&project.paths.registry(), &project.paths.locks(), "launch", claim).await?)
}

/// Gives an id back that nothing was done for.
async fn release(project: &Project, id: AgentId) -> Result<()> {
    let release = |registry: &mut Registry| {
        registry.release(id);
        Ok(())
    };
    Ok(Registry::change(&project.paths.registry(), &project.paths.locks(), "launch", release).await?)
}

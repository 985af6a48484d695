//! How agents are, asked from supervisors and the kernel only; `ops::health` asks the services.

use camino::Utf8PathBuf;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::agent::Agent;
use crate::{
    config::paths::Paths,
    error::Result,
    model::{
        id::AgentId,
        stack::StackName,
        status::{ProcessState, ProcessStatus, StackStatus},
    },
    resource::worktree,
    store::{record::AgentRecord, registry::Registry},
    supervisor::builtin::Builtin,
};

/// A stack at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overall {
    /// Every process that should run is ready.
    Running,
    /// Some are on their way.
    Starting,
    /// Some failed, or were not ready in time.
    Unwell,
    /// All were stopped by command.
    Stopped,
    /// There is no supervisor: the launch did not get that far, or the stack was taken down.
    Down,
}

impl Overall {
    /// The state of a stack from those of its processes.
    #[must_use]
    pub fn of(processes: &[ProcessStatus]) -> Self {
        let any = |states: &[ProcessState]| processes.iter().any(|process| states.contains(&process.state));
        if any(&[ProcessState::Failed, ProcessState::Unready, ProcessState::BackOff]) {
            Self::Unwell
        } else if any(&[ProcessState::Waiting, ProcessState::Starting, ProcessState::Stopping]) {
            Self::Starting
        } else if any(&[ProcessState::Ready]) || processes.is_empty() {
            Self::Running
        } else {
            Self::Stopped
        }
    }
}

impl std::fmt::Display for Overall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Unwell => "unwell",
            Self::Stopped => "stopped",
            Self::Down => "down",
        })
    }
}

/// One agent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AgentStatus {
    /// Its id.
    pub id: AgentId,
    /// At a glance.
    pub state: Overall,
    /// Root of the project.
    #[schemars(with = "String")]
    pub project: Utf8PathBuf,
    /// The tree its processes run in.
    #[schemars(with = "String")]
    pub workdir: Utf8PathBuf,
    /// The branch that a worktree is on; none for the project's own checkout, or a worktree that is on none.
    pub branch: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// Its processes in the order of the manifest.
    pub processes: Vec<ProcessStatus>,
}

/// How agent `id` is.
///
/// # Errors
/// When it is not launched, or its supervisor should run and cannot be reached or started.
pub async fn agent(paths: &Paths, id: AgentId) -> Result<AgentStatus> {
    let agent = Agent::open(paths, id)?;
    let stack = stack(paths, StackName::Agent(id)).await?;
    let processes = stack.map(|stack| stack.processes);
    Ok(AgentStatus {
        id,
        state: processes.as_deref().map_or(Overall::Down, Overall::of),
        project: agent.record.project_root.clone(),
        workdir: agent.record.workdir.clone(),
        branch: Some(&agent.record.workdir)
            .filter(|workdir| **workdir != agent.record.project_root)
            .and_then(|workdir| worktree::current_branch(workdir)),
        url: agent.urls().values().next().cloned(),
        processes: processes.unwrap_or_default(),
    })
}

/// All agents of this user, by id, asked at once.
///
/// # Errors
/// When the registry cannot be read, or as [`agent`].
pub async fn all(paths: &Paths) -> Result<Vec<AgentStatus>> {
    let registry = Registry::read(&paths.registry())?;
    join_all(registry.agents().iter().map(|(id, claim)| async move {
        match AgentRecord::read(&paths.record(*id))? {
            Some(_) => agent(paths, *id).await,
            // Its launch was cut off before anything was done for it.
            None => Ok(AgentStatus {
                id: *id,
                state: Overall::Down,
                project: claim.project.clone(),
                workdir: claim.workdir.clone(),
                branch: None,
                url: None,
                processes: Vec::new(),
            }),
        }
    }))
    .await
    .into_iter()
    .collect()
}

/// What the supervisor of `name` says; `None` when the stack is not meant to run.
///
/// # Errors
/// When it should run and cannot be reached or started.
pub async fn stack(paths: &Paths, name: StackName) -> Result<Option<StackStatus>> {
    Ok(Builtin::new(paths).status(name).await?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn process(state: ProcessState) -> ProcessStatus {
        ProcessStatus {
            name: "p".to_owned(),
            state,
            pid: None,
            started: None,
            ready_after_ms: None,
            restarts: 0,
            last_exit: None,
            reason: None,
        }
    }

    #[rstest]
    #[case(&[], Overall::Running)]
    #[case(&[ProcessState::Ready, ProcessState::Stopped], Overall::Running)]
    #[case(&[ProcessState::Ready, ProcessState::Waiting], Overall::Starting)]
    #[case(&[ProcessState::Starting, ProcessState::Failed], Overall::Unwell)]
    #[case(&[ProcessState::Ready, ProcessState::BackOff], Overall::Unwell)]
    #[case(&[ProcessState::Stopped, ProcessState::Stopped], Overall::Stopped)]
    fn the_worst_process_decides(#[case] states: &[ProcessState], #[case] expected: Overall) {
        let processes: Vec<_> = states.iter().copied().map(process).collect();
        assert_eq!(Overall::of(&processes), expected);
    }
}

//! `verify`: the manifest's stages, one after the other, in the agent's workdir with its processes' environment.

mod base;
mod error;
mod first_error;
pub mod guard;
pub mod report;
mod stage;
mod task;

use std::time::Instant;

use camino::Utf8Path;
use regex::Regex;
use tokio_util::sync::CancellationToken;

use self::{
    base::Comparison,
    guard::Guard,
    report::{Report, Scope, StageReport, TaskStatus, Verdict},
    task::{Planned, Shared},
};
use super::{
    OpsError,
    agent::Agent,
    context,
    project::Project,
    run::millis,
    status::{self, Overall},
};
use crate::{
    config::{environment::Environment, paths::Paths, text},
    error::Result,
    model::{
        id::AgentId,
        manifest::{Stage, Task},
        memory,
    },
    output::progress::Progress,
    process::{
        cgroup::Cgroup,
        group::{self, Traces},
        reap,
    },
    store::lock::{Lock, PATIENCE},
};

pub use error::VerifyError;

/// Memory that a task may take when the manifest names none.
const TASK_MEMORY: u64 = 1 << 30;

/// What a run can be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Run the stages that are for `--full` only, too.
    pub full: bool,
}

/// Verifies agent `id`. When it returns, whether well or not, no process that it started is left.
///
/// # Errors
/// When the agent is not launched or being changed, there is nothing to run, or `stop` was cancelled.
pub async fn verify(
    paths: &Paths,
    environment: &Environment,
    id: AgentId,
    options: Options,
    progress: &Progress,
    stop: CancellationToken,
) -> Result<Report> {
    let workdir = Agent::open(paths, id)?.record.workdir;
    let project = Project::open(&workdir, environment, paths)?;
    let stages = stages(&project, options)?;
    let (locks, name, command) = (paths.locks(), id.name(), format!("verify {id}"));
    let _lock = tokio::select! {
        lock = Lock::acquire(&locks, &name, &command, PATIENCE) => lock?,
        () = stop.cancelled() => return Err(VerifyError::Interrupted.into()),
    };
    // Again under the lock: it may have been launched anew, elsewhere.
    let run = Run { agent: Agent::open(paths, id)?, paths, project: &project, progress };
    let mark = paths.verify(id);
    // What a run before left whose guard was killed with it.
    guard::end_leftovers(mark.as_str()).await?;
    empty(&mark)?;
    reap::become_subreaper()?;
    let guard = Guard::start(paths, id)?;
    let shared = Shared {
        workdir: run.agent.record.workdir.clone(),
        mark: mark.to_string(),
        cgroup: Cgroup::of_stack(mark.as_str()).ok(),
        stop,
    };
    let result = run.stages(&stages, &shared).await;
    let swept = sweep(&shared).await;
    guard.dismiss().await?;
    let report = result?;
    swept?;
    Ok(report)
}

/// The stages to run.
fn stages(project: &Project, options: Options) -> Result<Vec<Stage>> {
    let all = &project.settings.manifest.verify.stage;
    let manifest = || project.settings.manifest_path.clone();
    if all.is_empty() {
        return Err(VerifyError::NoStages { manifest: manifest() }.into());
    }
    let stages: Vec<Stage> = all.iter().filter(|stage| options.full || !stage.full).cloned().collect();
    if stages.is_empty() {
        return Err(VerifyError::OnlyFull { manifest: manifest() }.into());
    }
    Ok(stages)
}

/// Ends whatever is still there of any task: by now all that descends from us is, but the guard.
async fn sweep(shared: &Shared) -> Result<()> {
    let traces =
        Traces { cgroup: shared.cgroup.as_ref(), ancestor: Some(std::process::id()), ..Traces::of_stack(&shared.mark) };
    group::kill(&traces).await?;
    if let Some(cgroup) = &shared.cgroup {
        // One that is left costs nothing.
        drop(cgroup.remove());
    }
    Ok(())
}

/// An empty folder at `path`, for its owner only.
fn empty(path: &Utf8Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match fs_err::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(OpsError::File { act: "remove", path: path.to_owned(), source }.into());
        }
        Ok(()) | Err(_) => {}
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    Ok(made.map_err(|source| OpsError::File { act: "make", path: path.to_owned(), source })?)
}

struct Run<'a> {
    agent: Agent,
    paths: &'a Paths,
    project: &'a Project,
    progress: &'a Progress,
}

impl Run<'_> {
    async fn stages(&self, stages: &[Stage], shared: &Shared) -> Result<Report> {
        let started = Instant::now();
        let comparison = tokio::select! {
            comparison = self.comparison(stages) => comparison,
            () = shared.stop.cancelled() => return Err(VerifyError::Interrupted.into()),
        };
        let mut reports: Vec<StageReport> = Vec::new();
        for stage in stages {
            if reports.last().is_some_and(|stage| stage.status == Verdict::Fail) {
                break;
            }
            let base = match &comparison {
                Some(Comparison::Since(compared)) => Some(compared.commit.as_str()),
                Some(Comparison::Everything { .. }) | None => None,
            };
            let tasks: Vec<Planned> =
                stage.tasks.iter().map(|(name, task)| self.plan(stage, name, task, base)).collect::<Result<_>>()?;
            let mut report = stage::run(&stage.name, &tasks, shared, self.progress).await?;
            if stage.full && report.status == Verdict::Fail {
                self.note_absence(&mut report).await?;
            }
            reports.push(report);
        }
        let skipped = stages[reports.len()..].iter().map(|stage| stage.name.clone()).collect();
        let total = millis(started.elapsed());
        let mut report = Report::new(self.agent.record.id, &shared.workdir, reports, total);
        report.skipped = skipped;
        match comparison {
            Some(Comparison::Since(compared)) => report.compared_with = Some(compared),
            Some(Comparison::Everything { because }) => report.everything_because = Some(because),
            None => {}
        }
        Ok(report)
    }

    /// What changed, when a task asks for it.
    async fn comparison(&self, stages: &[Stage]) -> Option<Comparison> {
        if !stages.iter().flat_map(|stage| stage.tasks.values()).any(|task| task.changed.is_some()) {
            return None;
        }
        let record = &self.agent.record;
        let verify = &self.project.settings.manifest.verify;
        let comparison = base::compare(verify, &record.workdir, &record.base_env).await;
        match &comparison {
            Comparison::Since(compared) => {
                let commit: String = compared.commit.chars().take(10).collect();
                let (files, branch) = (compared.files, &compared.branch);
                self.progress.tell(format_args!("Tests what changed since {branch} ({commit}): {files} files differ."));
            }
            Comparison::Everything { because } => self.progress.tell(format_args!("Tests everything: {because}.")),
        }
        Some(comparison)
    }

    fn plan(&self, stage: &Stage, name: &str, task: &Task, base: Option<&str>) -> Result<Planned> {
        let record = &self.agent.record;
        let settings = &self.project.settings;
        let values = context::of_agent(settings, record.id, &record.workdir, &record.ports, &record.secrets);
        let command = text::resolve_task(task, &values, &self.agent.environment(), base)?;
        let changed = task.changed.is_some() && base.is_some();
        Ok(Planned {
            name: name.to_owned(),
            stage: stage.name.clone(),
            command,
            scope: if changed { Scope::Changed } else { Scope::Everything },
            // Both were checked when the manifest was loaded.
            memory: task.memory.as_deref().and_then(|memory| memory::parse(memory).ok()).unwrap_or(TASK_MEMORY),
            expect: task.expect.as_deref().and_then(|expect| Regex::new(expect).ok()),
            log: self.paths.verify(record.id).join(format!("{}.{name}.log", stage.name)),
        })
    }

    /// A stage for `--full` may need the agent's processes: says so when they do not run.
    async fn note_absence(&self, report: &mut StageReport) -> Result<()> {
        let id = self.agent.record.id;
        let state = status::agent(self.paths, id).await?.state;
        if state == Overall::Running {
            return Ok(());
        }
        let notice = format!("agent {id} is {state}, which this stage may need to run: agent-harness launch {id}");
        self.progress.tell(format_args!("     {notice}"));
        for task in report.tasks.iter_mut().filter(|task| task.status == TaskStatus::Fail) {
            task.notice = Some(notice.clone());
        }
        Ok(())
    }
}

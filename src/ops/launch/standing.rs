//! What stands before a launch: the agent that runs already, what moved on since, the record and the stack to launch by.

use camino::Utf8Path;
use indexmap::IndexMap;
use jiff::Timestamp;

use super::{Options, Outcome, Report};
use crate::{
    config::text,
    error::Result,
    model::{
        id::AgentId,
        ports,
        stack::{ProcessSpec, StackName, StackSpec},
    },
    ops::{context, project::Project, setup, status, template},
    output::progress::Progress,
    store::record::{self, AgentRecord, AgentSecrets},
    supervisor::builtin::Builtin,
};

/// The report of an agent that runs as it should; `None` when there is something to do. Services that were stopped are
/// started again, which leaves the agent as it is.
pub(super) async fn running(project: &Project, record: AgentRecord, progress: &Progress) -> Result<Option<Report>> {
    let id = record.id;
    let Some(stack) = status::stack(&project.paths, StackName::Agent(id)).await? else { return Ok(None) };
    if status::Overall::of(&stack.processes) != status::Overall::Running || !record.healthy {
        return Ok(None);
    }
    setup::infra(project, progress).await?;
    let moved_on = moved_on(project, &record)?;
    Ok(Some(Report { id, outcome: Outcome::Unchanged { moved_on }, urls: record.urls, session: None }))
}

/// What is another today than when the agent was launched, each with the command that brings it up.
fn moved_on(project: &Project, record: &AgentRecord) -> Result<Vec<String>> {
    let id = record.id;
    let wanted = specification(project, record)?.processes;
    let is = Builtin::new(&project.paths).specification(StackName::Agent(id))?.processes;
    let named = |list: &[ProcessSpec], name: &str| list.iter().any(|process| process.name == name);
    let mut changes = Vec::new();
    for process in wanted.iter().filter(|process| !is.contains(process)) {
        let what = if named(&is, &process.name) { "changed" } else { "is new in the manifest" };
        changes.push(format!("{} {what}: agent-harness launch {id} --update", process.name));
    }
    for process in is.iter().filter(|process| !named(&wanted, &process.name)) {
        changes.push(format!("the manifest has no {} any more: agent-harness launch {id} --update", process.name));
    }
    if template::fingerprint(project)?.is_some_and(|today| record.template.as_ref() != Some(&today)) {
        changes.push(format!(
            "the template is to be another one: agent-harness teardown {id} && agent-harness launch {id}, for a new database"
        ));
    }
    Ok(changes)
}

/// The record to launch by: a new one, or the previous one with today's manifest.
pub(super) fn begin(
    project: &Project,
    id: AgentId,
    previous: Option<AgentRecord>,
    workdir: &Utf8Path,
    options: &Options,
) -> Result<AgentRecord> {
    let settings = &project.settings;
    let has_been_healthy = previous.as_ref().is_some_and(|previous| previous.has_been_healthy);
    let (secrets, created, recorded_env) = match previous {
        Some(previous) => (previous.secrets, previous.created, Some(previous.base_env)),
        None => (AgentSecrets::new()?, Timestamp::now(), None),
    };
    let recorded_env = recorded_env.filter(|_| has_been_healthy && !options.refresh_env);
    let ports = ports::of_agent(&settings.manifest, &settings.infra_ports, id)?;
    Ok(AgentRecord {
        version: record::VERSION,
        id,
        project_root: settings.project_root.clone(),
        manifest_path: settings.manifest_path.clone(),
        workdir: workdir.to_owned(),
        created,
        template: None,
        healthy: false,
        has_been_healthy,
        base_env: recorded_env.unwrap_or_else(|| project.base_env.clone()),
        env: IndexMap::new(),
        urls: IndexMap::new(),
        services: settings.services.iter().copied().collect(),
        ports,
        secrets,
    })
}

/// The stack of an agent, as manifest and record want it.
pub(super) fn specification(project: &Project, record: &AgentRecord) -> Result<StackSpec> {
    let settings = &project.settings;
    let values = context::of_agent(settings, record.id, &record.workdir, &record.ports, &record.secrets);
    let resolve = |process| text::resolve_process(&settings.manifest, process, &values, &record.base_env);
    let processes: Vec<ProcessSpec> =
        settings.manifest.process.iter().map(resolve).collect::<std::result::Result<_, _>>()?;
    Ok(StackSpec { name: StackName::Agent(record.id), processes, boot: None })
}

//! `demo`: the example app twice, on infrastructure of its own; and its removal without a trace.

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    OpsError,
    example::unpack::{self, Edits, Found, Unpacked},
    launch::{self, Choice, Options},
    project::Project,
    remains, setup, setup_infra, teardown, template,
};
use crate::{
    config::{environment::Environment, paths::Paths, settings},
    error::Result,
    model::id::AgentId,
    output::progress::Progress,
    resource::template as layers,
    store::{
        lock::{Lock, PATIENCE},
        registry::Registry,
    },
};

/// Agents of the demo.
const AGENTS: usize = 2;

/// What runs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Demo {
    /// Where the example was unpacked.
    #[schemars(with = "String")]
    pub checkout: Utf8PathBuf,
    /// Its agents.
    pub agents: Vec<launch::Report>,
}

/// Where the example is unpacked.
#[must_use]
pub fn checkout(paths: &Paths) -> Utf8PathBuf {
    paths.state.join("demo").join("shop")
}

/// Unpacks the example, sets everything up and launches its agents. Run again it changes nothing.
///
/// # Errors
/// When something needed cannot be had, or a step fails; the same command goes on.
pub async fn start(paths: &Paths, environment: &Environment, progress: &Progress) -> Result<Demo> {
    settings::make_directories(paths)?;
    let lock = Lock::acquire(&paths.locks(), "demo", "demo", PATIENCE).await?;
    let checkout = checkout(paths);
    let parent = paths.state.join("demo");
    fs_err::create_dir_all(&parent).map_err(|source| OpsError::File { act: "make", path: parent, source })?;
    match unpack::unpack(&checkout, environment.get("PATH").unwrap_or_default()).await? {
        Unpacked::Created => progress.tell(format_args!("The example app is in {checkout}")),
        Unpacked::Updated => progress.tell(format_args!("The example app in {checkout} was brought to this version")),
        Unpacked::Unchanged => {}
        Unpacked::Kept(_) => {
            progress.tell(format_args!("The example app in {checkout} has edits: it is used as it is"));
        }
    }
    let project = Project::open(&checkout, environment, paths)?;
    let ids = ids(&project)?;
    // Once for both, so that the telling is not told twice.
    setup_infra::setup(&project, progress).await?;
    let project = &project;
    let each = ids.into_iter().map(|id| async move {
        launch::launch(project, Choice::Id(id), Options::default(), &progress.of(format_args!("agent {id}"))).await
    });
    let agents = futures_util::future::try_join_all(each).await?;
    drop(lock);
    Ok(Demo { checkout, agents })
}

/// The demo's ids: those it has, else the lowest free ones.
fn ids(project: &Project) -> Result<Vec<AgentId>> {
    let registry = Registry::read(&project.paths.registry())?;
    let settings = &project.settings;
    let mut ids = own_ids(&registry, &settings.project_root);
    let mut rest = registry;
    while ids.len() < AGENTS {
        let usable = |id| crate::model::ports::of_agent(&settings.manifest, &settings.infra_ports, id).is_ok();
        let id = rest.next_free(usable)?;
        rest.claim(id, &settings.project_root, &settings.workdir)?;
        ids.push(id);
    }
    ids.sort();
    Ok(ids)
}

fn own_ids(registry: &Registry, root: &Utf8Path) -> Vec<AgentId> {
    registry.agents().iter().filter(|(_, claim)| claim.project == root).map(|(id, _)| *id).collect()
}

/// What a stopped demo leaves.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Stopped {
    /// Agents that were torn down.
    pub agents: Vec<AgentId>,
    /// Why the infra was kept: another project uses it. `None` when it was removed.
    pub infra_kept_for: Option<String>,
}

/// Tears the demo's agents down and removes everything that the demo made; what was obtained stays in the cache. Infra
/// that another project uses stays.
///
/// # Errors
/// When a person's work lies in the example and `force` is not given, or something cannot be removed.
pub async fn stop(paths: &Paths, environment: &Environment, force: bool, progress: &Progress) -> Result<Stopped> {
    if !paths.state.exists() {
        return Ok(Stopped { agents: Vec::new(), infra_kept_for: None });
    }
    settings::make_directories(paths)?;
    let lock = Lock::acquire(&paths.locks(), "demo", "demo --stop", PATIENCE).await?;
    let checkout = checkout(paths);
    let orders = teardown::Orders { paths, environment, force };
    check_edits(orders).await?;
    let root = checkout.canonicalize_utf8().unwrap_or_else(|_| checkout.clone());
    let registry = Registry::read(&paths.registry())?;
    let agents = own_ids(&registry, &root);
    let each = agents
        .iter()
        .map(|id| async move { teardown::teardown(orders, *id, &progress.of(format_args!("agent {id}"))).await });
    futures_util::future::try_join_all(each).await?;
    let infra_kept_for = other_user(paths, &root)?;
    if infra_kept_for.is_some() {
        remove_template(paths, environment, &checkout, progress).await?;
    } else {
        setup::remove(paths).await?;
    }
    for directory in [paths.state.join("demo"), paths.state.join("workdirs").join(super::prepare::key(&root))] {
        remains::remove(&directory)?;
    }
    lock.remove()?;
    if infra_kept_for.is_none() {
        // What else lies in the state directory is not ours.
        remains::state(paths)?;
    }
    Ok(Stopped { agents, infra_kept_for })
}

/// Refuses to lose what a person did in the example.
///
/// # Errors
/// When there is something and it is not forced, or the example cannot be looked at.
pub(super) async fn check_edits(orders: teardown::Orders<'_>) -> Result<()> {
    let checkout = checkout(orders.paths);
    let path = orders.environment.get("PATH").unwrap_or_default();
    match unpack::inspect(&checkout, path).await? {
        Found::Edited(edits) if !orders.force => Err(OpsError::DemoEdited { checkout, what: describe(&edits) }.into()),
        _ => Ok(()),
    }
}

fn describe(edits: &Edits) -> String {
    let mut what: Vec<String> = edits.files.iter().map(ToString::to_string).collect();
    if edits.commits {
        what.push("commits".to_owned());
    }
    what.join(", ")
}

/// A project beside the demo that has an agent or a template here.
fn other_user(paths: &Paths, root: &Utf8Path) -> Result<Option<String>> {
    let registry = Registry::read(&paths.registry())?;
    if let Some(claim) = registry.agents().values().find(|claim| claim.project != root) {
        return Ok(Some(claim.project.to_string()));
    }
    Ok(registry
        .infra()
        .filter(|claim| claim.project != root && claim.project.exists())
        .map(|claim| claim.project.to_string()))
}

/// Drops the demo's template from a server that others use.
async fn remove_template(
    paths: &Paths,
    environment: &Environment,
    checkout: &Utf8Path,
    progress: &Progress,
) -> Result<()> {
    if !checkout.exists() {
        return Ok(());
    }
    let project = Project::open(checkout, environment, paths)?;
    let registry = Registry::read(&paths.registry())?;
    let Some(claim) = registry.infra() else { return Ok(()) };
    let server = setup::running_server(paths, claim, progress).await?;
    let name = template::name(&project.settings.manifest);
    layers::remove(&server, &name).await?;
    remains::remove(&paths.template_logs(&name))
}

//! The shared services: found, obtained, started, proven; taken as they are when they run.

mod binaries;
mod embedded;
mod record;
mod secrets;
mod stop;

use camino::Utf8PathBuf;

pub use binaries::configured;
pub use record::InfraRecord;
pub use stop::{remove, stop};

use super::{context::HOST, project::Project, status};
use crate::{
    config::{environment::Environment, paths::Paths},
    error::Result,
    infra::postgres::{Server, clone_cost::CloneCosts},
    model::{
        manifest::{Provider, Service},
        stack::StackName,
        status::{ProcessState, StackStatus},
    },
    output::progress::Progress,
    store::{
        lock::Lock,
        registry::{InfraClaim, Registry},
    },
};

/// Another command may be obtaining and starting the same services: that is waited for, because the result is shared.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(30);

/// The infra, running.
#[derive(Clone, Debug)]
pub struct Infra {
    /// The database server, when the app uses one.
    pub postgres: Option<Postgres>,
}

/// The database server, running.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// How to reach it.
    pub server: Server,
    /// What cloning costs there.
    pub costs: CloneCosts,
    /// A `psql` for people.
    pub psql: Option<Utf8PathBuf>,
}

/// `host:port` of a service on `port`.
#[must_use]
pub fn address(port: u16) -> String {
    format!("{HOST}:{port}")
}

/// The services that the project uses: taken as they are when they run, else obtained and started.
///
/// # Errors
/// When another project's settings hold, something needed cannot be had, a port is taken, or a service does not start.
pub async fn infra(project: &Project, progress: &Progress) -> Result<Infra> {
    let paths = &project.paths;
    if project.settings.services.is_empty() {
        return Ok(Infra { postgres: None });
    }
    let claim = claim(project).await?;
    if let Some(infra) = running(paths, &claim).await? {
        return Ok(infra);
    }
    project.requirements().await?;
    let _lock = if let Some(lock) = Lock::try_acquire(&paths.locks(), "infra", "setup-infra")? {
        lock
    } else {
        progress.tell("another command is starting the infra: waiting for it");
        Lock::acquire(&paths.locks(), "infra", "setup-infra", PATIENCE).await?
    };
    if let Some(infra) = running(paths, &claim).await? {
        return Ok(infra);
    }
    match claim.provider {
        Provider::Embedded => {
            let wanted = embedded::Wanted {
                paths,
                claim: &claim,
                base_env: &project.base_env,
                environment: &project.environment,
                durability: project.settings.manifest.infra.durability,
                programs: &project.settings.manifest.infra.programs,
            };
            embedded::start(&wanted, progress).await
        }
        Provider::Docker => Err(super::OpsError::Provider("docker").into()),
        Provider::External => Err(super::OpsError::Provider("external").into()),
    }
}

/// The server of an infra that was set up, started again if need be; for commands that work without a project.
///
/// # Errors
/// When it cannot be started.
pub async fn running_server(paths: &Paths, claim: &InfraClaim, progress: &Progress) -> Result<Server> {
    if let Some(Infra { postgres: Some(postgres) }) = running(paths, claim).await? {
        return Ok(postgres.server);
    }
    progress.tell("the infra is stopped: starting it");
    let record = InfraRecord::read(paths)?.ok_or(super::OpsError::NoInfra)?;
    let _lock = Lock::acquire(&paths.locks(), "infra", "setup-infra", PATIENCE).await?;
    let wanted = embedded::Wanted {
        paths,
        claim,
        base_env: &record.base_env,
        environment: &Environment::new(record.base_env.clone()),
        durability: record.durability,
        programs: &record.programs,
    };
    let infra = embedded::start(&wanted, progress).await?;
    infra.postgres.map(|postgres| postgres.server).ok_or_else(|| super::OpsError::NoInfra.into())
}

/// Makes the project's infra settings hold, or adds to those that do.
async fn claim(project: &Project) -> Result<InfraClaim> {
    let settings = &project.settings;
    let claim = |registry: &mut Registry| {
        registry.claim_infra(&settings.project_root, &settings.manifest.infra, settings.infra_ports).cloned()
    };
    Ok(Registry::change(&project.paths.registry(), &project.paths.locks(), "setup-infra", claim).await?)
}

/// The infra when every service of `claim` is ready, and what it was set up with offers what `claim` asks for.
async fn running(paths: &Paths, claim: &InfraClaim) -> Result<Option<Infra>> {
    let Some(status) = status::stack(paths, StackName::Infra).await? else { return Ok(None) };
    let Some(record) = InfraRecord::read(paths)? else { return Ok(None) };
    if !claim.services.iter().all(|service| is_ready(&status, *service)) || !record.offers(claim) {
        return Ok(None);
    }
    Ok(Some(record.infra(paths)?))
}

fn is_ready(status: &StackStatus, service: Service) -> bool {
    status.processes.iter().any(|process| process.name == service.name() && process.state == ProcessState::Ready)
}

//! Starts the embedded services as the stack `infra` and waits until each is ready and on its port.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::{Infra, InfraRecord, Postgres, binaries, secrets::InfraSecrets};
use crate::{
    config::{environment::Environment, paths::Paths},
    error::Result,
    infra::{
        embedded::{
            postgres::{self, Cluster},
            stack::{self, Chromium},
        },
        obtain::{BrowserBinary, PostgresBinaries},
    },
    model::{
        manifest::{Durability, Programs, Service},
        ports::{infra_list, service_of},
        stack::{ProcessSpec, StackName, StackSpec},
        status::{ProcessState, ProcessStatus, StackStatus},
    },
    ops::evidence,
    output::progress::Progress,
    process::{identity, spawn},
    resource::{
        mailbox,
        ports::{self, Needed},
    },
    store::registry::InfraClaim,
    supervisor::{SupervisorError, builtin::Builtin},
    wire::protocol::Until,
};

/// What is to be started.
pub(super) struct Wanted<'a> {
    pub(super) paths: &'a Paths,
    pub(super) claim: &'a InfraClaim,
    /// The environment that the services get.
    pub(super) base_env: &'a IndexMap<String, String>,
    /// The caller's whole environment, for package managers.
    pub(super) environment: &'a Environment,
    pub(super) durability: Durability,
    pub(super) programs: &'a Programs,
}

/// Starts what does not run. What runs already stays as it is, with the environment that it was started with.
pub(super) async fn start(wanted: &Wanted<'_>, progress: &Progress) -> Result<Infra> {
    let paths = wanted.paths;
    let builtin = Builtin::new(paths);
    let (postgres_binaries, browser) =
        futures_util::try_join!(binaries::postgres(wanted, progress), binaries::browser(wanted, progress))?;
    builtin.finish_stopping(StackName::Infra).await?;
    let mut client = builtin.resume(StackName::Infra).await?;
    let (existing, own) = match &mut client {
        Some(client) => {
            let members = client.members().await?;
            let own = members.into_iter().flat_map(|process| process.pids).collect();
            (builtin.specification(StackName::Infra)?.processes, own)
        }
        None => (Vec::new(), BTreeSet::new()),
    };
    drop(client);
    check_ports(wanted, &own)?;
    if wanted.claim.services.contains(&Service::Mail) {
        mailbox::ensure_admin(paths).await?;
    }
    let cluster = match &postgres_binaries {
        Some(binaries) => Some(cluster(wanted, binaries, progress).await?),
        None => None,
    };
    // Before anything can be in the cluster: whoever tears down after an interrupted setup has to reach it.
    let mut record = InfraRecord::new(wanted.claim, wanted.durability, wanted.base_env.clone());
    record.programs.clone_from(wanted.programs);
    record.postgres.clone_from(&postgres_binaries);
    record.browser.clone_from(&browser);
    record.write(paths)?;
    let processes = processes(wanted, &existing, cluster.as_ref(), browser.as_ref());
    // What was not synced must not be used again before it was judged, whoever asks first after the machine went down.
    let boot = (cluster.is_some() && wanted.durability == Durability::Off).then(this_boot).transpose()?;
    let spec = StackSpec { name: StackName::Infra, processes, boot };
    let was_running = !own.is_empty();
    let mut client = builtin.ensure(&spec).await?;
    let mut again = if was_running { unwell(&client.status().await?) } else { Vec::new() };
    if was_running && cluster.as_ref().is_some_and(|cluster| cluster.changed) {
        // A server reads the settings that we write at its start only.
        again.push(Service::Postgres.name().to_owned());
    }
    if !again.is_empty() {
        client.restart(&again, Until::Started).await?;
    }
    let status = client.start(&[], Until::Settled).await?;
    if let Some(process) = status.processes.iter().find(|process| process.state != ProcessState::Ready) {
        return Err(evidence::infra_unready(paths, process).into());
    }
    let mut infra = Infra { postgres: None };
    if let (Some(cluster), Some(binaries)) = (cluster, postgres_binaries) {
        let costs = postgres::clone_costs(&cluster).await?;
        infra.postgres = Some(Postgres { server: cluster.server(), costs: costs.clone(), psql: binaries.psql.clone() });
        record.costs = costs;
    }
    record.write(paths)?;
    Ok(infra)
}

/// What an earlier start left running and not well, except a PostgreSQL, which may be recovering.
fn unwell(status: &StackStatus) -> Vec<String> {
    let bad = [ProcessState::Unready, ProcessState::BackOff, ProcessState::Failed];
    let is_unwell = |is: &&ProcessStatus| is.name != Service::Postgres.name() && bad.contains(&is.state);
    status.processes.iter().filter(is_unwell).map(|is| is.name.clone()).collect()
}

async fn cluster(wanted: &Wanted<'_>, binaries: &PostgresBinaries, progress: &Progress) -> Result<Cluster> {
    let secrets = InfraSecrets::ensure(wanted.paths)?;
    let request = postgres::Request {
        paths: wanted.paths,
        bin_dir: &binaries.bin_dir,
        port: wanted.claim.ports.postgres,
        durability: wanted.durability,
        password: &secrets.postgres,
    };
    Ok(postgres::ensure(request, &mut |event| progress.tell(event)).await?)
}

fn this_boot() -> Result<String> {
    let fail = |source| SupervisorError::Boot { stack: StackName::Infra, source };
    Ok(identity::boot_id().map(str::to_owned).map_err(fail)?)
}

/// Checks that nobody else has our ports, on any address of this machine.
fn check_ports(wanted: &Wanted<'_>, own: &BTreeSet<u32>) -> Result<()> {
    let needed: Vec<Needed> = infra_list(&wanted.claim.ports)
        .into_iter()
        .filter(|(name, _)| wanted.claim.services.contains(&service_of(name)))
        .map(|(name, port)| Needed { what: format!("the infra's `{name}`"), port })
        .collect();
    Ok(ports::check_free(&needed, own)?)
}

fn processes(
    wanted: &Wanted<'_>,
    existing: &[ProcessSpec],
    cluster: Option<&Cluster>,
    browser: Option<&BrowserBinary>,
) -> Vec<ProcessSpec> {
    let (paths, ports) = (wanted.paths, &wanted.claim.ports);
    let program = spawn::own_program();
    let make = |service: Service| -> Option<ProcessSpec> {
        let known = existing.iter().find(|process| process.name == service.name());
        let env = known.map_or(wanted.base_env, |process| &process.env);
        Some(match service {
            Service::Postgres => cluster?.process_spec(),
            Service::S3 => stack::s3(&program, paths, ports, env),
            Service::Mail => stack::mail(&program, paths, ports, env),
            Service::Browser => {
                let browser = browser?;
                let chromium = Chromium { path: browser.path.clone(), env: browser.env.clone().into_iter().collect() };
                stack::browser(&program, paths, ports, env, &chromium)
            }
        })
    };
    Service::ALL.into_iter().filter(|service| wanted.claim.services.contains(service)).filter_map(make).collect()
}

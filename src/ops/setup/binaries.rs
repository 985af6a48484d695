//! The programs of others that the embedded services run: found on the machine, else obtained.

use super::embedded::Wanted;
use crate::{
    error::Result,
    infra::{
        embedded::postgres::{existing_major, run_as},
        obtain::{BrowserBinary, BrowserWanted, Machine, PostgresBinaries, PostgresWanted},
    },
    model::manifest::Service,
    ops::project::Project,
    output::progress::Progress,
};

/// The PostgreSQL to run, if the infra has one: of the major version of a cluster that is there.
pub(super) async fn postgres(wanted: &Wanted<'_>, progress: &Progress) -> Result<Option<PostgresBinaries>> {
    if !wanted.claim.services.contains(&Service::Postgres) {
        return Ok(None);
    }
    let asked = PostgresWanted {
        configured: wanted.programs.postgres.clone(),
        major: existing_major(wanted.paths)?,
        extensions: wanted.claim.extensions.iter().cloned().collect(),
        run_as: run_as(&mut |event| progress.tell(event)).await?,
    };
    let tell = |line: &str| progress.tell(line);
    Ok(Some(Machine { paths: wanted.paths, env: wanted.environment, tell: &tell }.postgres(&asked).await?))
}

/// The browser to start, if the infra has one.
pub(super) async fn browser(wanted: &Wanted<'_>, progress: &Progress) -> Result<Option<BrowserBinary>> {
    if !wanted.claim.services.contains(&Service::Browser) {
        return Ok(None);
    }
    let tell = |line: &str| progress.tell(line);
    let asked = BrowserWanted { configured: wanted.programs.browser.clone() };
    Ok(Some(Machine { paths: wanted.paths, env: wanted.environment, tell: &tell }.browser(&asked).await?))
}

/// The programs that the project's manifest names, tried as a setup would; `None` for one that it does not name or use.
pub async fn configured(project: &Project) -> (Option<Result<PostgresBinaries>>, Option<Result<BrowserBinary>>) {
    let infra = &project.settings.manifest.infra;
    let uses = |service| project.settings.services.contains(&service);
    let machine = Machine { paths: &project.paths, env: &project.environment, tell: &|_| {} };
    let postgres = async {
        let configured = infra.programs.postgres.clone().filter(|_| uses(Service::Postgres))?;
        let major = match existing_major(&project.paths) {
            Ok(major) => major,
            Err(error) => return Some(Err(error.into())),
        };
        let extensions = infra.extensions.iter().cloned().collect();
        let asked = PostgresWanted { configured: Some(configured), major, extensions, run_as: None };
        Some(machine.postgres(&asked).await.map_err(Into::into))
    };
    let browser = async {
        let configured = infra.programs.browser.clone().filter(|_| uses(Service::Browser))?;
        Some(machine.browser(&BrowserWanted { configured: Some(configured) }).await.map_err(Into::into))
    };
    futures_util::join!(postgres, browser)
}

//! The programs of others that the embedded services run: found on the machine, else obtained.

use super::embedded::Wanted;
use crate::{
    error::Result,
    infra::{
        embedded::postgres::{existing_major, run_as},
        obtain::{BrowserBinary, BrowserWanted, Machine, PostgresBinaries, PostgresWanted},
    },
    model::manifest::Service,
    output::progress::Progress,
};

/// The PostgreSQL to run, if the infra has one: of the major version of a cluster that is there.
pub(super) async fn postgres(wanted: &Wanted<'_>, progress: &Progress) -> Result<Option<PostgresBinaries>> {
    if !wanted.claim.services.contains(&Service::Postgres) {
        return Ok(None);
    }
    let asked = PostgresWanted {
        configured: None,
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
    Ok(Some(
        Machine { paths: wanted.paths, env: wanted.environment, tell: &tell }
            .browser(&BrowserWanted::default())
            .await?,
    ))
}

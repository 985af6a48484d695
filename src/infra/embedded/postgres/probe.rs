//! Measures what cloning costs on this server and disk, once, and keeps the answer with the cluster.

use std::{
    os::unix::fs::MetadataExt as _,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Cluster, ClusterError};
use crate::{
    infra::postgres::{
        PostgresError, Session,
        clone_cost::{CloneCosts, Measured, Strategy},
        copy, identifier,
    },
    model::manifest::Durability,
    store::atomic::{self, Access},
};

/// The databases of a probe.
const SMALL: &str = "template0";
const LARGE: &str = "agent_harness_probe";
const COPY: &str = "agent_harness_probe_copy";
/// What is added to an empty database (7 MB, 300 files) for the larger one: enough for a slope, little enough to be
/// written in a moment.
const ROWS: u32 = 20_000;
/// A copy that is quicker than this is measured twice, and the faster one counts, because everything that disturbs one
/// makes it slower. What takes longer is the disk's own time, and setup should not wait for it twice.
const QUICK: Duration = Duration::from_millis(300);

/// The answer, with what it holds for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    server_version: String,
    durability: Durability,
    disk: String,
    costs: CloneCosts,
}

/// What cloning costs; measured on the running server unless an answer for this version, durability and disk is kept.
///
/// # Errors
/// When the server or the disk refuses.
///
/// # Panics
/// When costs are no JSON, which they always are.
pub async fn clone_costs(cluster: &Cluster) -> Result<CloneCosts, ClusterError> {
    let admin = Session::maintenance(&cluster.server()).await?;
    let server_version = version(&admin).await?;
    let disk = disk(cluster)?;
    let path = cluster.directory.join("clone.json");
    if let Some(kept) = read(cluster)
        && (&kept.server_version, kept.durability, &kept.disk) == (&server_version, cluster.durability, &disk)
    {
        admin.close().await?;
        return Ok(kept.costs);
    }
    let costs = measure(cluster, &admin).await?;
    admin.close().await?;
    let kept = Kept { server_version, durability: cluster.durability, disk, costs };
    let text = serde_json::to_vec_pretty(&kept).expect("costs are plain JSON");
    atomic::write(&path, &text, Access::Shared)?;
    Ok(kept.costs)
}

/// The kept answer without asking the server whether it still holds; nothing measured if there is none.
#[must_use]
pub fn known_clone_costs(cluster: &Cluster) -> CloneCosts {
    read(cluster).map(|kept| kept.costs).unwrap_or_default()
}

/// One that cannot be read is measured anew.
fn read(cluster: &Cluster) -> Option<Kept> {
    serde_json::from_slice(&fs_err::read(cluster.directory.join("clone.json")).ok()?).ok()
}

async fn measure(cluster: &Cluster, admin: &Session) -> Result<CloneCosts, ClusterError> {
    let lock = "SELECT pg_advisory_lock(hashtextextended('agent-harness probe', 0))";
    admin.run_unlimited("take the lock of the probe", lock).await?;
    copy::drop(admin, COPY).await?;
    copy::drop(admin, LARGE).await?;
    copy::copy(admin, SMALL, LARGE, Strategy::WalLog).await?;
    copy::open(admin, LARGE).await?;
    let session = Session::admin(&cluster.server(), LARGE).await?;
    let fill = format!(
        "CREATE TABLE public.probe AS SELECT i, repeat(md5(i::text), 30) AS text FROM generate_series(1, {ROWS}) AS i; \
         CREATE INDEX ON public.probe (i)"
    );
    session.run("fill the probe", &fill).await?;
    session.close().await?;
    let close = format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", identifier(LARGE));
    admin.run("close the probe", &close).await?;
    let mut costs = CloneCosts {
        small_bytes: copy::size(admin, SMALL).await?.unwrap_or(0),
        large_bytes: copy::size(admin, LARGE).await?.unwrap_or(0),
        measured: Vec::new(),
    };
    for strategy in Strategy::ALL {
        let Some(small) = time(admin, SMALL, strategy).await? else { continue };
        let Some(large) = time(admin, LARGE, strategy).await? else { continue };
        costs.measured.push(Measured { strategy, small, large });
    }
    copy::drop(admin, LARGE).await?;
    Ok(costs)
}

/// How long a copy takes; `None` when the server cannot copy that way here.
async fn time(admin: &Session, source: &str, strategy: Strategy) -> Result<Option<Duration>, ClusterError> {
    let Some(first) = time_once(admin, source, strategy).await? else { return Ok(None) };
    if first > QUICK {
        return Ok(Some(first));
    }
    Ok(time_once(admin, source, strategy).await?.map(|second| second.min(first)))
}

async fn time_once(admin: &Session, source: &str, strategy: Strategy) -> Result<Option<Duration>, ClusterError> {
    let started = Instant::now();
    let result = copy::copy(admin, source, COPY, strategy).await;
    let took = started.elapsed();
    copy::drop(admin, COPY).await?;
    match result {
        Ok(()) => Ok(Some(took)),
        // Before 18 there is no such setting, and not every disk can: the server says so in many ways.
        Err(PostgresError::Query { .. }) if strategy == Strategy::FileClone => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn version(admin: &Session) -> Result<String, PostgresError> {
    let what = "read the server's version";
    let row = admin.row(what, "SELECT current_setting('server_version')", &[]).await?;
    row.map_or(Ok(String::new()), |row| admin.value(what, &row, 0))
}

/// What disk the data lies on: kind of file system and device.
fn disk(cluster: &Cluster) -> Result<String, ClusterError> {
    let data = cluster.data();
    let device = fs_err::metadata(&data).map_err(ClusterError::file("look at", &data))?.dev();
    let kind = rustix::fs::statfs(data.as_std_path())
        .map_err(|errno| ClusterError::file("look at the file system of", &data)(errno.into()))?
        .f_type;
    Ok(format!("{kind:x}:{device}"))
}

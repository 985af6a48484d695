//! The slowest queries of one agent and of nobody else.

use super::{OpsError, agent::Agent, setup};
use crate::{
    config::paths::Paths,
    error::Result,
    infra::postgres::Session,
    model::id::AgentId,
    output::progress::Progress,
    resource::database::{self, SlowQuery},
    store::registry::Registry,
};

/// How many are shown; the specification's number.
const COUNT: u16 = 10;

/// The slowest queries of agent `id`, the slowest first.
///
/// # Errors
/// When it is not launched or the server cannot be asked.
pub async fn of(paths: &Paths, id: AgentId, progress: &Progress) -> Result<Vec<SlowQuery>> {
    Agent::open(paths, id)?;
    let registry = Registry::read(&paths.registry())?;
    let claim = registry.infra().ok_or(OpsError::NoInfra)?;
    let server = setup::running_server(paths, claim, progress).await?;
    let admin = Session::maintenance(&server).await?;
    let queries = database::slow_queries(&admin, id, COUNT).await?;
    admin.close().await?;
    Ok(queries)
}

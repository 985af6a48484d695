//! SQL in an agent's database, as the agent's own role.

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{
    OpsError,
    agent::Agent,
    context::HOST,
    setup::{self, InfraRecord},
};
use crate::{
    config::paths::Paths,
    error::Result,
    infra::postgres::{Login, Session},
    model::id::AgentId,
    output::progress::Progress,
    process::cmd,
    store::registry::Registry,
};

/// How to reach an agent's database, the server being up.
///
/// # Errors
/// When the agent is not launched or the server cannot be started.
pub async fn login(paths: &Paths, id: AgentId, progress: &Progress) -> Result<Login> {
    let agent = Agent::open(paths, id)?;
    let registry = Registry::read(&paths.registry())?;
    let claim = registry.infra().ok_or(OpsError::NoInfra)?;
    let server = setup::running_server(paths, claim, progress).await?;
    let name = id.database();
    Ok(Login { host: HOST.to_owned(), ..server.login(&name, &name, &agent.record.secrets.postgres) })
}

/// The `psql` that came with the server, else the one of PATH.
///
/// # Errors
/// When the infra's record cannot be read, or there is none.
pub fn client(paths: &Paths, id: AgentId) -> Result<Utf8PathBuf> {
    let own = InfraRecord::read(paths)?.and_then(|record| record.postgres?.psql);
    let path = Agent::open(paths, id)?.record.base_env.get("PATH").cloned().unwrap_or_default();
    own.or_else(|| cmd::find("psql", &path)).ok_or_else(|| OpsError::NoPsql.into())
}

/// What libpq reads instead of arguments, so that the password is in no argv.
#[must_use]
pub fn environment(login: &Login, base: &IndexMap<String, String>) -> IndexMap<String, String> {
    let mut environment = base.clone();
    for (name, value) in [
        ("PGHOST", login.host.clone()),
        ("PGPORT", login.port.to_string()),
        ("PGDATABASE", login.database.clone()),
        ("PGUSER", login.user.clone()),
        ("PGPASSWORD", login.password.expose().to_owned()),
    ] {
        environment.insert(name.to_owned(), value);
    }
    environment
}

/// Runs `sql` and gives every row as an object of texts, as the server shows values.
///
/// # Errors
/// When the server refuses.
pub async fn rows(login: &Login, sql: &str) -> Result<Vec<Map<String, Value>>> {
    let session = Session::open(login).await?;
    let rows = session.texts("run the query", sql).await.map_err(OpsError::Query)?;
    session.close().await?;
    let value = |text: Option<String>| text.map_or(Value::Null, Value::String);
    Ok(rows.into_iter().map(|row| row.into_iter().map(|(name, text)| (name, value(text))).collect()).collect())
}

//! The slowest queries of one agent, from `pg_stat_statements`.

use schemars::JsonSchema;
use serde::Serialize;

use super::DatabaseError;
use crate::{
    infra::postgres::{Session, identifier},
    model::id::AgentId,
};

/// One kind of query, constants taken out.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SlowQuery {
    /// Its text, with `$1` … for constants.
    pub query: String,
    /// How often it ran.
    pub calls: u64,
    /// Mean time of one run, in milliseconds.
    pub mean_ms: f64,
    /// The longest run, in milliseconds.
    pub max_ms: f64,
    /// All runs together, in milliseconds.
    pub total_ms: f64,
    /// Rows returned or changed by all runs together.
    pub rows: u64,
}

/// The `limit` queries with the longest mean time that the agent's role ran in the agent's database.
///
/// # Errors
/// When the server cannot say.
pub async fn slow_queries(admin: &Session, id: AgentId, limit: u16) -> Result<Vec<SlowQuery>, DatabaseError> {
    let name = id.database();
    let what = format!("read the statistics of {name}");
    let schema = statistics_schema(admin, &what).await?.ok_or(DatabaseError::NoStatistics)?;
    let rows = admin
        .rows(
            &what,
            &format!(
                "SELECT s.query, s.calls, s.mean_exec_time, s.max_exec_time, s.total_exec_time, s.rows \
                 FROM {schema}.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
                 JOIN pg_roles r ON r.oid = s.userid WHERE d.datname = $1 AND r.rolname = $1 \
                 ORDER BY s.mean_exec_time DESC LIMIT $2",
            ),
            &[&name, &i64::from(limit)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let query: Option<String> = admin.value(&what, row, 0)?;
            let calls: i64 = admin.value(&what, row, 1)?;
            let count: i64 = admin.value(&what, row, 5)?;
            Ok(SlowQuery {
                // The server forgets texts before it forgets figures.
                query: query.unwrap_or_else(|| "(text no longer kept)".to_owned()),
                calls: calls.unsigned_abs(),
                mean_ms: admin.value(&what, row, 2)?,
                max_ms: admin.value(&what, row, 3)?,
                total_ms: admin.value(&what, row, 4)?,
                rows: count.unsigned_abs(),
            })
        })
        .collect()
}

/// Forgets what was counted for the agent's database, so that the entries are free for others.
pub(super) async fn reset(admin: &Session, id: AgentId) -> Result<(), DatabaseError> {
    let name = id.database();
    let what = format!("forget the statistics of {name}");
    let Some(schema) = statistics_schema(admin, &what).await? else { return Ok(()) };
    admin
        .rows(
            &what,
            &format!("SELECT {schema}.pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = $1"),
            &[&name],
        )
        .await?;
    Ok(())
}

/// The quoted schema of the extension in the maintenance database, if it is there.
async fn statistics_schema(admin: &Session, what: &str) -> Result<Option<String>, DatabaseError> {
    let row = admin
        .row(
            what,
            "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
             WHERE e.extname = 'pg_stat_statements'",
            &[],
        )
        .await?;
    match row {
        None => Ok(None),
        Some(row) => Ok(Some(identifier(&admin.value::<String>(what, &row, 0)?))),
    }
}

//! Copies a database.

use super::{PostgresError, Session, clone_cost::Strategy, identifier};

/// Makes the database `target` as a copy of `source`, owned by the superuser, closed to everybody: nobody connects to
/// it until [`open`] is called, and PUBLIC never does.
///
/// # Errors
/// When the server refuses; a `target` that is left then is half-made.
pub async fn copy(admin: &Session, source: &str, target: &str, strategy: Strategy) -> Result<(), PostgresError> {
    let what = format!("copy the database {source} to {target}");
    if let Some(name) = strategy.setting() {
        admin.run(&what, &format!("SET {name} = clone")).await?;
    }
    let target = identifier(target);
    let sql = format!(
        "CREATE DATABASE {target} TEMPLATE {source} STRATEGY {strategy} ALLOW_CONNECTIONS false IS_TEMPLATE false",
        source = identifier(source),
        strategy = strategy.sql(),
    );
    let result = admin.run_long(&what, &sql).await;
    if let Some(name) = strategy.setting() {
        admin.run(&what, &format!("RESET {name}")).await?;
    }
    result?;
    // A new database lets PUBLIC in, whatever its template did.
    admin.run(&what, &format!("REVOKE ALL ON DATABASE {target} FROM PUBLIC")).await
}

/// Lets those connect who may.
///
/// # Errors
/// When the server refuses.
pub async fn open(admin: &Session, database: &str) -> Result<(), PostgresError> {
    let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", identifier(database));
    admin.run(&format!("open the database {database}"), &sql).await
}

/// Size on disk of the database, if there is one of that name.
///
/// # Errors
/// When the server cannot say.
pub async fn size(admin: &Session, database: &str) -> Result<Option<u64>, PostgresError> {
    let what = format!("read the size of the database {database}");
    let sql = "SELECT pg_database_size(oid) FROM pg_database WHERE datname = $1";
    match admin.row(&what, sql, &[&database]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(admin.value::<i64>(&what, &row, 0)?.unsigned_abs())),
    }
}

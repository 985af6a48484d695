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

/// Drops the database `name` if it is there, ending the sessions in it. What an interrupted drop or copy left goes too:
/// the server calls it invalid (`datconnlimit` -2) and lets nobody alter it.
///
/// # Errors
/// When the server refuses.
pub async fn drop(admin: &Session, name: &str) -> Result<(), PostgresError> {
    let what = format!("drop the database {name}");
    let quoted = identifier(name);
    let sql = "SELECT datistemplate AND datconnlimit <> -2 FROM pg_database WHERE datname = $1";
    let Some(row) = admin.row(&what, sql, &[&name]).await? else { return Ok(()) };
    if admin.value::<bool>(&what, &row, 0)? {
        // Templates cannot be dropped.
        admin.run(&what, &format!("ALTER DATABASE {quoted} IS_TEMPLATE false")).await?;
    }
    admin.run_long(&what, &format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")).await
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

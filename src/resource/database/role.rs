//! The role `agent_<id>`.

use super::DatabaseError;
use crate::{
    infra::postgres::{Session, identifier, literal},
    model::{id::AgentId, secret::Secret},
};

/// Sessions that an agent may have at once: two app processes with generous pools, and one runaway pool still leaves
/// room for the other agents (`max_connections` is 300).
const CONNECTION_LIMIT: u32 = 100;

/// Makes the agent's role, or gives an existing one today's password and rights.
///
/// # Errors
/// When the server refuses.
pub async fn ensure_role(admin: &Session, id: AgentId, password: &Secret) -> Result<(), DatabaseError> {
    let name = id.database();
    let role = identifier(&name);
    // Only a verifier goes to the server: the password itself reaches no log and no pg_stat_statements.
    let verifier = postgres_protocol::password::scram_sha_256(password.expose().as_bytes());
    let create = format!("CREATE ROLE {role}");
    // Two launches of one id exclude each other by lock, so asking first is no race.
    let exists = admin
        .row(&format!("look up the role {name}"), "SELECT 1 FROM pg_roles WHERE rolname = $1", &[&name])
        .await?
        .is_some();
    let sql = format!(
        "{create} ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT \
         CONNECTION LIMIT {CONNECTION_LIMIT} PASSWORD {password} VALID UNTIL 'infinity'",
        create = if exists { String::new() } else { format!("{create};") },
        password = literal(&verifier),
    );
    admin.run(&format!("make the role {name}"), &sql).await?;
    Ok(())
}

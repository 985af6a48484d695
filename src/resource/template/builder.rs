//! The role that owns what is in a template. It may log in only while a template is built, with a password made for
//! that build, so nobody can reach a template, or an agent's clone, through it.

use super::records::building_name;
use crate::{
    infra::postgres::{Login, PostgresError, Server, Session, identifier, literal, login::BUILDERS},
    model::secret::Secret,
};

/// Name of the role that builds `template`.
pub(super) fn role_name(template: &str) -> String {
    format!("{template}_builder")
}

/// The login that the commands of a build get: the building database, the builder, a password of this build's own.
///
/// # Panics
/// When the kernel gives no randomness.
#[must_use]
pub fn builder_login(server: &Server, template: &str) -> Login {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).expect("the kernel gives randomness");
    server.login(&building_name(template), &role_name(template), &Secret::new(hex::encode(bytes)))
}

/// Lets the builder log in with `login`'s password.
pub(super) async fn admit(admin: &Session, login: &Login) -> Result<(), PostgresError> {
    let what = format!("make the role {}", login.user);
    let role = identifier(&login.user);
    let group = identifier(BUILDERS);
    for name in [BUILDERS, &login.user] {
        if admin.row(&what, "SELECT 1 FROM pg_roles WHERE rolname = $1", &[&name]).await?.is_none() {
            admin.run(&what, &format!("CREATE ROLE {}", identifier(name))).await?;
        }
    }
    let verifier = postgres_protocol::password::scram_sha_256(login.password.expose().as_bytes());
    let sql = format!(
        "ALTER ROLE {group} NOLOGIN NOINHERIT; GRANT {group} TO {role}; \
         ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}",
        literal(&verifier)
    );
    admin.run(&what, &sql).await
}

/// Shuts the builder out again.
pub(super) async fn dismiss(admin: &Session, role: &str) -> Result<(), PostgresError> {
    let sql = format!("ALTER ROLE {} NOLOGIN PASSWORD NULL", identifier(role));
    admin.run(&format!("shut out the role {role}"), &sql).await
}

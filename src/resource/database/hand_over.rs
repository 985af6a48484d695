//! Makes an agent the owner of its clone and of all in it, in one transaction.

use super::{DatabaseError, Origin};
use crate::infra::postgres::{Server, Session, identifier, literal};

/// Everything in `database` that an ordinary role owns becomes that of the role of the same name, then the database
/// itself: what the superuser made (extensions) stays the superuser's.
pub(super) async fn hand_over(server: &Server, database: &str, origin: &Origin) -> Result<(), DatabaseError> {
    let session = Session::admin(server, database).await?;
    let what = format!("hand the database {database} over to its role");
    let owner = identifier(database);
    let mut statements = vec!["BEGIN".to_owned()];
    for builder in builders(&session, &what, database).await? {
        statements.push(format!("REASSIGN OWNED BY {} TO {owner}", identifier(&builder)));
        statements.extend(default_privileges(&session, &what, &builder, database).await?);
    }
    let comment = serde_json::to_string(origin).expect("an origin is plain JSON");
    statements.push(format!("COMMENT ON DATABASE {owner} IS {}", literal(&comment)));
    statements.push(format!("ALTER DATABASE {owner} OWNER TO {owner}"));
    statements.push("COMMIT".to_owned());
    session.run(&what, &statements.join(";\n")).await?;
    session.close().await?;
    Ok(())
}

/// The ordinary roles that own something in the session's database, or whose default privileges are kept there.
async fn builders(session: &Session, what: &str, agent: &str) -> Result<Vec<String>, DatabaseError> {
    let rows = session
        .rows(
            what,
            "SELECT r.rolname::text FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname <> $1 AND (r.oid IN (\
             SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o' AND dbid = \
             (SELECT oid FROM pg_database WHERE datname = current_database())) \
             OR r.oid IN (SELECT defaclrole FROM pg_default_acl))",
            &[&agent],
        )
        .await?;
    rows.iter().map(|row| Ok(session.value(what, row, 0)?)).collect()
}

/// One entry of a role's default privileges.
struct Default {
    schema: Option<String>,
    kind: &'static str,
    /// `None` is PUBLIC.
    grantee: Option<String>,
    privilege: String,
    grantable: bool,
}

/// Statements that give `agent` the default privileges of `builder` and take them from it: REASSIGN OWNED leaves them
/// where they are.
async fn default_privileges(
    session: &Session,
    what: &str,
    builder: &str,
    agent: &str,
) -> Result<Vec<String>, DatabaseError> {
    let rows = session
        .rows(
            what,
            "SELECT n.nspname::text, d.defaclobjtype::text, g.rolname::text, a.privilege_type, a.is_grantable \
             FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a \
             LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace LEFT JOIN pg_roles g ON g.oid = a.grantee \
             WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $1)",
            &[&builder],
        )
        .await?;
    let mut entries = Vec::new();
    for row in &rows {
        let kind: String = session.value(what, row, 1)?;
        entries.push(Default {
            schema: session.value(what, row, 0)?,
            kind: match kind.as_str() {
                "r" => "TABLES",
                "S" => "SEQUENCES",
                "f" => "FUNCTIONS",
                "T" => "TYPES",
                "n" => "SCHEMAS",
                _ => "LARGE OBJECTS",
            },
            grantee: session.value(what, row, 2)?,
            privilege: session.value(what, row, 3)?,
            grantable: session.value(what, row, 4)?,
        });
    }
    Ok(statements(&entries, builder, agent))
}

/// See [`default_privileges`].
fn statements(entries: &[Default], builder: &str, agent: &str) -> Vec<String> {
    let (builder_role, agent_role) = (identifier(builder), identifier(agent));
    let place = |entry: &Default| match &entry.schema {
        Some(schema) => format!(" IN SCHEMA {}", identifier(schema)),
        None => String::new(),
    };
    let mut statements = Vec::new();
    let mut seen = Vec::new();
    for entry in entries {
        let place = place(entry);
        if !seen.contains(&(place.clone(), entry.kind)) {
            seen.push((place.clone(), entry.kind));
            if entry.schema.is_none() {
                // Without a schema the entry replaces the built-in defaults instead of adding to them.
                let kind = entry.kind;
                statements.push(format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {agent_role} REVOKE ALL ON {kind} FROM PUBLIC, {agent_role}"
                ));
                statements.push(format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {builder_role} GRANT ALL ON {kind} TO {builder_role}"
                ));
                if matches!(kind, "FUNCTIONS" | "TYPES") {
                    statements.push(format!(
                        "ALTER DEFAULT PRIVILEGES FOR ROLE {builder_role} GRANT ALL ON {kind} TO PUBLIC"
                    ));
                }
            }
        }
        let to = |owner: &str| match &entry.grantee {
            None => "PUBLIC".to_owned(),
            Some(grantee) if grantee == builder => owner.to_owned(),
            Some(grantee) => identifier(grantee),
        };
        let (kind, privilege) = (entry.kind, &entry.privilege);
        let option = if entry.grantable { " WITH GRANT OPTION" } else { "" };
        statements.push(format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {agent_role}{place} GRANT {privilege} ON {kind} TO {}{option}",
            to(&agent_role)
        ));
        let built_in = entry.schema.is_none()
            && (entry.grantee.as_deref() == Some(builder)
                || entry.grantee.is_none() && matches!(kind, "FUNCTIONS" | "TYPES"));
        if !built_in {
            statements.push(format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {builder_role}{place} REVOKE {privilege} ON {kind} FROM {}",
                to(&builder_role)
            ));
        }
    }
    statements
}

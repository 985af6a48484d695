//! What there is of an agent's role and database.

use serde::Serialize;

use super::{DatabaseError, Origin};
use crate::{infra::postgres::Session, model::id::AgentId};

/// An agent's database on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatabaseState {
    /// Whether the role exists.
    pub role: bool,
    /// The database.
    pub database: State,
}

/// How far a database is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is none.
    Absent,
    /// A clone that was never finished.
    HalfMade,
    /// The agent's own.
    Whole {
        /// What it was cloned from, as far as that is still written there.
        origin: Option<Origin>,
    },
    /// Neither the agent's nor a clone of ours.
    Foreign {
        /// Its owner.
        owner: String,
    },
}

/// Asks the server.
///
/// # Errors
/// When it cannot say. That is never read as "absent".
pub async fn inspect(admin: &Session, id: AgentId) -> Result<DatabaseState, DatabaseError> {
    let name = id.database();
    let what = format!("look up the database {name}");
    let role = admin.row(&what, "SELECT 1 FROM pg_roles WHERE rolname = $1", &[&name]).await?.is_some();
    let row = admin
        .row(
            &what,
            "SELECT r.rolname::text, r.rolsuper, shobj_description(d.oid, 'pg_database'), d.datconnlimit = -2 \
             FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = $1",
            &[&name],
        )
        .await?;
    let database = match row {
        None => State::Absent,
        Some(row) => {
            let owner: String = admin.value(&what, &row, 0)?;
            let superuser: bool = admin.value(&what, &row, 1)?;
            let comment: Option<String> = admin.value(&what, &row, 2)?;
            // A drop that was cut off leaves it so.
            let invalid: bool = admin.value(&what, &row, 3)?;
            if owner == name && invalid {
                State::HalfMade
            } else if owner == name {
                State::Whole { origin: comment.and_then(|text| Origin::read(&text)) }
            } else if superuser {
                State::HalfMade
            } else {
                State::Foreign { owner }
            }
        }
    };
    Ok(DatabaseState { role, database })
}

//! Removes an agent's role and database.

use std::time::{Duration, Instant};

use super::{DatabaseError, State, inspect, slow_queries};
use crate::{
    infra::postgres::{Session, copy, identifier},
    model::id::AgentId,
};

/// What was there and is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The database, whole or half-made.
    pub database: bool,
    /// The role.
    pub role: bool,
    /// Time of `DROP DATABASE`.
    pub drop: Duration,
}

/// Drops the agent's database, ending the sessions in it and no others, and its role. What is not there is no error.
///
/// # Errors
/// When the server refuses, or a database of that name is not the agent's.
pub async fn remove(admin: &Session, id: AgentId) -> Result<Removed, DatabaseError> {
    let name = id.database();
    let quoted = identifier(&name);
    let state = inspect(admin, id).await?;
    let database = match state.database {
        State::Absent => false,
        State::Foreign { owner } => return Err(DatabaseError::Foreign { database: name, owner }),
        State::HalfMade | State::Whole { .. } => true,
    };
    let mut drop = Duration::ZERO;
    if database {
        slow_queries::reset(admin, id).await?;
        let begun = Instant::now();
        copy::drop(admin, &name).await?;
        drop = begun.elapsed();
    }
    if state.role {
        admin.run(&format!("drop the role {name}"), &format!("DROP ROLE IF EXISTS {quoted}")).await?;
    }
    Ok(Removed { database, role: state.role, drop })
}

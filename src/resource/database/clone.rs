//! Makes an agent's database from the template.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DatabaseError, State, hand_over::hand_over, inspect};
use crate::{
    infra::postgres::{Server, Session, clone_cost::CloneCosts, copy},
    model::id::AgentId,
    resource::template,
};

/// What a database was cloned from; written as its comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The template's name.
    pub template: String,
    /// The fingerprint that the template had.
    pub fingerprint: String,
    /// When.
    pub cloned: Timestamp,
}

impl Origin {
    /// Reads a comment; one that the agent changed says nothing.
    pub(super) fn read(comment: &str) -> Option<Self> {
        serde_json::from_str(comment).ok()
    }
}

/// What [`clone`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cloned {
    /// The agent's database was there already.
    Kept,
    /// It was made.
    Made {
        /// Time of `CREATE DATABASE`.
        create: Duration,
        /// Time of the hand-over of everything in it.
        hand_over: Duration,
    },
}

/// Makes the agent's database from `template`, unless it is there. The agent's role must exist.
///
/// # Errors
/// When there is no template, the server refuses, or a database of that name is not the agent's.
pub async fn clone(
    server: &Server,
    admin: &Session,
    id: AgentId,
    template: &str,
    costs: &CloneCosts,
) -> Result<Cloned, DatabaseError> {
    let name = id.database();
    match inspect(admin, id).await?.database {
        State::Whole { .. } => return Ok(Cloned::Kept),
        State::Foreign { owner } => return Err(DatabaseError::Foreign { database: name, owner }),
        State::HalfMade => copy::drop(admin, &name).await?,
        State::Absent => {}
    }
    let (bytes, fingerprint) = source(admin, template).await?;
    let started = Instant::now();
    copy::copy(admin, template, &name, costs.choose(bytes)).await?;
    copy::open(admin, &name).await?;
    let create = started.elapsed();
    let origin = Origin { template: template.to_owned(), fingerprint, cloned: Timestamp::now() };
    hand_over(server, &name, &origin).await?;
    Ok(Cloned::Made { create, hand_over: started.elapsed().saturating_sub(create) })
}

/// Size and fingerprint of the template.
async fn source(admin: &Session, template: &str) -> Result<(u64, String), DatabaseError> {
    let missing = || DatabaseError::NoTemplate { template: template.to_owned() };
    let record = template::find(admin, template).await?.ok_or_else(missing)?;
    let bytes = copy::size(admin, template).await?.ok_or_else(missing)?;
    Ok((bytes, record.fingerprint))
}

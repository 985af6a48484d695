//! What an agent's processes take, counted over all their members.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::try_join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{OpsError, agent::Agent};
use crate::{
    config::paths::Paths,
    error::Result,
    model::{id::AgentId, stack::StackName},
    process::usage::{self, Usage},
    supervisor::builtin::Builtin,
};

/// The time over which CPU use is measured: long enough to be more than the kernel's clock tick of 10 ms.
const INTERVAL: Duration = Duration::from_millis(250);

/// What an agent takes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Stats {
    /// The agent.
    pub id: AgentId,
    /// Each process with its children.
    pub processes: Vec<Row>,
    /// All of them.
    pub total: Row,
}

/// One process of the stack.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it and its children take.
    pub usage: Usage,
}

/// Measures agent `id`.
///
/// # Errors
/// When it does not run, or `/proc` cannot be read.
pub async fn of(paths: &Paths, id: AgentId) -> Result<Stats> {
    Agent::open(paths, id)?;
    let mut client = Builtin::new(paths).resume(StackName::Agent(id)).await?.ok_or(OpsError::NotLaunched(id))?;
    let members = client.members().await?;
    let all: BTreeSet<u32> = members.iter().flat_map(|process| process.pids.iter().copied()).collect();
    let measure = |name: String, pids: BTreeSet<u32>| async move {
        let usage = usage::over(&pids, INTERVAL).await.map_err(|source| OpsError::File {
            act: "read",
            path: "/proc".into(),
            source,
        })?;
        Ok::<Row, OpsError>(Row { name, usage })
    };
    let total = measure("total".to_owned(), all);
    let each = members.into_iter().map(|process| measure(process.name, process.pids.into_iter().collect()));
    let (processes, total) = futures_util::try_join!(try_join_all(each), total)?;
    Ok(Stats { id, processes, total })
}

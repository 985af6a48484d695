//! Restarts processes of an agent and waits until they are ready.

use super::{OpsError, agent::Agent, evidence};
use crate::{
    config::paths::Paths,
    error::Result,
    model::{
        id::AgentId,
        stack::StackName,
        status::{ProcessState, StackStatus},
    },
    supervisor::builtin::Builtin,
    wire::protocol::Until,
};

/// Restarts the processes `names` of agent `id`; none means all.
///
/// # Errors
/// When the agent does not run, a name is unknown, or a process does not become ready.
pub async fn agent(paths: &Paths, id: AgentId, names: &[String]) -> Result<StackStatus> {
    Agent::open(paths, id)?;
    let stack = StackName::Agent(id);
    let mut client = Builtin::new(paths).resume(stack).await?.ok_or(OpsError::NotLaunched(id))?;
    let status = client.restart(names, Until::Settled).await?;
    let asked = |name: &String| names.is_empty() || names.contains(name);
    for process in &status.processes {
        let fine = matches!(process.state, ProcessState::Ready)
            || (names.is_empty() && process.state == ProcessState::Stopped);
        if asked(&process.name) && !fine {
            return Err(evidence::unhealthy(paths, id, process).into());
        }
    }
    Ok(status)
}

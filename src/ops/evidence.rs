//! The evidence of a process that is not well: state, reason, log and its last lines.

use super::OpsError;
use crate::{
    config::paths::Paths,
    error::Error,
    model::{id::AgentId, stack::StackName, status::ProcessStatus},
    process::logs,
};

/// Lines of a log that an error shows.
const LINES: usize = 10;

/// The error of an agent whose `process` is not ready.
pub(super) fn unhealthy(paths: &Paths, id: AgentId, process: &ProcessStatus) -> OpsError {
    let (log, lines) = last_lines(paths, StackName::Agent(id), &process.name);
    OpsError::Unhealthy { id, reason: reason(process), log, lines }
}

/// The error of a service that is not ready.
pub(super) fn infra_unready(paths: &Paths, process: &ProcessStatus) -> OpsError {
    let (log, lines) = last_lines(paths, StackName::Infra, &process.name);
    OpsError::InfraUnready { service: process.name.clone(), reason: reason(process), log, lines }
}

fn reason(process: &ProcessStatus) -> String {
    let why = process.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{} is {}{why}", process.name, process.state)
}

fn last_lines(paths: &Paths, stack: StackName, process: &str) -> (camino::Utf8PathBuf, Vec<String>) {
    let directory = paths.stack(stack);
    // An unreadable log is part of the evidence and must not hide the error that it belongs to.
    let lines = match logs::last(&directory, &[process.to_owned()], LINES) {
        Ok(lines) => lines.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect(),
        Err(error) => vec![format!("(its log cannot be read: {})", Error::from(error).chain())],
    };
    (directory.log(process), lines)
}

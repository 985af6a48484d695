//! What the CLI and a supervisor say to each other: one JSON value a line.
//!
//! The supervisor speaks first ([`Hello`]); then every [`Request`] is answered by one [`Reply`], in order, except that
//! after [`Request::Subscribe`] the supervisor only sends [`Reply::Changed`] until the connection is closed.
//! What processes are to run is never sent: it stands in the stack's `spec.json` (0600) and is read from there.

use serde::{Deserialize, Serialize};

use crate::model::{
    stack::StackName,
    status::{ProcessStatus, StackStatus},
};

/// Version of this protocol. A supervisor and a client of different versions do not speak to each other, except for
/// [`Request::Reexec`] and [`Request::Shutdown`], whose form never changes.
pub const PROTOCOL: u32 = 1;

/// Longest line that either side sends or takes, in bytes. Requests carry process names only; the longest answer is
/// the status of a stack, about 300 bytes a process.
pub const MAX_LINE: usize = 256 * 1024;

/// First line of a connection, from the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Always [`PROTOCOL`] of the supervisor's program.
    pub protocol: u32,
    /// Version of the supervisor's program.
    pub version: String,
    /// The stack it keeps.
    pub stack: StackName,
    /// Its pid.
    pub pid: u32,
}

/// When a `start` or `restart` is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// As soon as every named process was started (or cannot be).
    Started,
    /// When every named process is ready, not ready in time, or failed.
    Settled,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How the processes are; answered with [`Reply::Status`].
    Status,
    /// `spec.json` was replaced: start what is new, stop what is gone, restart what changed. Answered with
    /// [`Reply::Status`] as soon as that was begun.
    Apply,
    /// Start processes that do not run; no names mean all that start with the stack.
    Start {
        /// Which.
        names: Vec<String>,
        /// When to answer.
        until: Until,
    },
    /// Stop processes, with all their members, and keep them stopped; no names mean all. Answered with
    /// [`Reply::Status`] when nothing of them is left.
    Stop {
        /// Which.
        names: Vec<String>,
    },
    /// Stop and start processes; no names mean all that run or failed.
    Restart {
        /// Which.
        names: Vec<String>,
        /// When to answer.
        until: Until,
    },
    /// Stop everything, remove the supervisor's own files and go. Answered with [`Reply::Gone`].
    Shutdown,
    /// Every change of a process from now on, after the present state of each.
    Subscribe,
    /// Who the members of each process are; answered with [`Reply::Members`].
    Members,
    /// Execute the program `spec.json`'s neighbour names anew: see [`Reply::Gone`]; the processes run on.
    Reexec {
        /// Absolute path of the program.
        program: String,
    },
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The whole stack.
    Status(StackStatus),
    /// One process is now so.
    Changed(ProcessStatus),
    /// Pids of each process, leader first.
    Members(Vec<Members>),
    /// Done; the supervisor closes the connection after this.
    Gone,
    /// The request could not be done.
    Refused(Refusal),
}

/// The pids of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Name of the process.
    pub name: String,
    /// Its leader and all that belongs to it; empty when it does not run.
    pub pids: Vec<u32>,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The line was no request.
    #[error("the supervisor did not understand the request: {0}")]
    Malformed(String),
    /// The stack has no such process.
    #[error("there is no process {name:?}; there are {}", .known.join(", "))]
    UnknownProcess {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// `spec.json` cannot be used.
    #[error("the supervisor cannot use the stack's specification: {0}")]
    BadSpec(String),
    /// It could not be done.
    #[error("the supervisor could not do it: {0}")]
    Failed(String),
}

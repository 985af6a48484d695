//! What a supervisor says of its stack. The shape of `status --json` and of the wire protocol's answer.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stack::StackName;

/// A stack as its supervisor sees it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackStatus {
    /// Which stack.
    pub stack: StackName,
    /// Pid of the supervisor that answered.
    pub supervisor_pid: u32,
    /// Pid of its keeper.
    pub keeper_pid: u32,
    /// The processes in the order of the manifest.
    pub processes: Vec<ProcessStatus>,
}

/// One process of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ProcessState,
    /// Pid of the group's leader while it runs.
    pub pid: Option<u32>,
    /// When the running leader was started.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// Milliseconds from start to ready of the running leader.
    pub ready_after_ms: Option<u64>,
    /// Starts after the first, by crash, watch or command, since the stack was launched.
    pub restarts: u32,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// One line on why it is in this state: the failing readiness check, the process it waits for, the back-off.
    pub reason: Option<String>,
}

/// The life of a process under supervision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// Not started: the processes it comes `after` are not ready.
    Waiting,
    /// Runs, not ready yet.
    Starting,
    /// Runs and is ready.
    Ready,
    /// Runs, but was not ready in time.
    Unready,
    /// Ended by itself; will be started again after the back-off.
    BackOff,
    /// Being stopped.
    Stopping,
    /// Stopped by command, or ended as its restart rule allows.
    Stopped,
    /// Ended too often: given up until somebody asks for a restart.
    Failed,
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unready => "unready",
            Self::BackOff => "back-off",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        })
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody could see it: supervisor and keeper were both dead.
    Unknown,
}

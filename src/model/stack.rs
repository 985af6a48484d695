//! What a supervisor is asked to keep alive: a stack of processes, resolved down to argv, environment and times.
//!
//! [`StackSpec`] is the whole interface between `ops` (who decides what runs) and `supervise` (who runs it). It is
//! written as one JSON file, mode 0600, because the environment carries secrets.

use std::{fmt, str::FromStr, time::Duration};

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::id::{AgentId, InvalidAgentId};

/// The name of a stack: `infra` or `agent-<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StackName {
    /// The shared services.
    Infra,
    /// One agent's processes.
    Agent(AgentId),
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Infra => f.write_str("infra"),
            Self::Agent(id) => f.write_str(&id.name()),
        }
    }
}

impl FromStr for StackName {
    type Err = InvalidAgentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "infra" {
            return Ok(Self::Infra);
        }
        let id = text.strip_prefix("agent-").ok_or_else(|| InvalidAgentId(text.to_owned()))?;
        Ok(Self::Agent(id.parse()?))
    }
}

impl TryFrom<String> for StackName {
    type Error = InvalidAgentId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StackName> for String {
    fn from(name: StackName) -> Self {
        name.to_string()
    }
}

/// A set of processes under one supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackSpec {
    /// Which stack this is.
    pub name: StackName,
    /// Its processes; names are unique, `after` has no cycle (checked by [`crate::model::order`]).
    pub processes: Vec<ProcessSpec>,
    /// The only boot of the machine in which it may be started again as it is written here; `None` is any. In another
    /// one it is not meant to run until somebody looked at what the machine's end left of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

/// One process of a stack, ready to be executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSpec {
    /// Its name in the stack: letters, digits, `-`, `_`; used as file name of its log.
    pub name: String,
    /// Program and arguments; executed without a shell. The program is looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// Working directory, absolute.
    pub cwd: Utf8PathBuf,
    /// The whole environment of the process (the mark `AGENT_HARNESS_STACK` is added by the supervisor).
    pub env: IndexMap<String, String>,
    /// Unix user and group that the process runs as, when it is not the supervisor's own (postgres under root).
    pub run_as: Option<RunAs>,
    /// When the process counts as ready; without it, as soon as it runs.
    pub ready: Option<Ready>,
    /// Whether it is started with its stack; else only on demand (`start`, `restart`).
    #[serde(default = "yes")]
    pub autostart: bool,
    /// Names of processes that must be ready before this one is started for the first time.
    pub after: Vec<String>,
    /// What restarts the process when it changes.
    pub watch: Option<Watch>,
    /// What happens when the process ends by itself.
    pub restart: Restart,
    /// How it is stopped.
    pub stop: Stop,
}

const fn yes() -> bool {
    true
}

/// A Unix user to run as; supplementary groups are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunAs {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// When a process is ready, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The condition.
    pub check: ReadyCheck,
    /// Counted from each start of the process; beyond it the process is reported as not ready, and runs on.
    pub timeout: Duration,
}

/// A condition of readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReadyCheck {
    /// A GET of this URL (`http://` on loopback) answers with a status below 400.
    Http {
        /// The URL.
        url: String,
    },
    /// Something accepts TCP connections on this port of 127.0.0.1 or `[::1]`.
    Tcp {
        /// The port.
        port: u16,
    },
    /// A line of the process's output, since its start, matches this regular expression.
    Log {
        /// The expression, in the syntax of the crate `regex`.
        pattern: String,
    },
    /// This command, run in the process's cwd and env, exits with 0.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
    },
}

/// Files whose change restarts the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Files and folders, absolute. Folders are watched with all below them, except what git ignores and what lies
    /// behind a symlink.
    pub paths: Vec<Utf8PathBuf>,
    /// Globs (relative to the process's cwd) of files that restart nothing.
    pub ignore: Vec<String>,
    /// Quiet time after the last change before the restart.
    pub debounce: Duration,
}

/// When a process that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// However it ended.
    Always,
    /// Unless it ended with exit code 0.
    OnFailure,
    /// Never.
    Never,
}

/// How a process is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The signal that asks for the end.
    pub signal: StopSignal,
    /// Whether the signal goes to the whole group or to its leader only (postgres ends its backends itself).
    pub leader_only: bool,
    /// Time until SIGKILL to everything that is left.
    pub grace: Duration,
}

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// SIGTERM.
    Term,
    /// SIGINT; PostgreSQL's fast shutdown.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGHUP.
    Hup,
}

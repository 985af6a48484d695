//! What a machine is told, what it asks for, and what of it is remembered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{stack::Restart, status::Exit};

/// What the machine must know of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Time from start to ready; `None` when there is no check and the process is ready as soon as it runs.
    pub ready_within: Option<Duration>,
    /// When it is started again by itself.
    pub restart: Restart,
}

/// What happened. Times are since boot, as `now` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants it to run.
    Start,
    /// Somebody wants it stopped.
    Stop,
    /// Somebody wants it started anew, whatever it does.
    Restart,
    /// Its files changed.
    Changed,
    /// The first process that it comes after and that is not ready; `None` opens the gate.
    Gate(Option<String>),
    /// The life's leader was started.
    Spawned {
        /// Which life.
        life: u64,
    },
    /// The life's leader could not be started.
    SpawnFailed {
        /// Which life.
        life: u64,
        /// Why.
        why: String,
    },
    /// The life's leader ended.
    Exited {
        /// Which life.
        life: u64,
        /// How.
        exit: Exit,
    },
    /// Nothing of the life's group is left.
    Cleared {
        /// Which life.
        life: u64,
    },
    /// Something of the life's group does not go.
    Stuck {
        /// Which life.
        life: u64,
        /// What.
        why: String,
    },
    /// The readiness check passed.
    Ready {
        /// Which life.
        life: u64,
    },
    /// The readiness check did not pass.
    NotReady {
        /// Which life.
        life: u64,
        /// Why.
        why: String,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the leader: answered by [`Event::Spawned`] or [`Event::SpawnFailed`].
    Spawn {
        /// As this life.
        life: u64,
    },
    /// Ask everything of the group to end, end it after the grace: answered by [`Event::Cleared`] or
    /// [`Event::Stuck`], and the leader's end by [`Event::Exited`].
    End {
        /// Which life.
        life: u64,
    },
    /// The leader has ended: end what is left of its group. Answered as [`Action::End`].
    Clear {
        /// Which life.
        life: u64,
    },
}

/// What a process was doing when its supervisor last wrote it down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Was {
    /// Nothing, and nothing is to be done: never started, stopped, ended as its rule allows, failed.
    #[default]
    Resting,
    /// About to be started.
    Wanted,
    /// Running, or found to have ended and not judged yet.
    Running,
    /// Being stopped.
    Stopping,
    /// Being stopped so as to be started again.
    Restarting,
}

/// What is remembered over the supervisor's death.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Number of the last life.
    pub life: u64,
    /// What it was doing.
    pub was: Was,
    /// Stopped by somebody, so not to be started by a new supervisor.
    pub stopped: bool,
    /// Starts after the first.
    pub restarts: u32,
    /// Whether it was ever started.
    pub started: bool,
    /// Ends in a row.
    pub crashes: u32,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// Start of the present life, since boot.
    pub since: Option<Duration>,
    /// When the present life became ready, since boot.
    pub ready: Option<Duration>,
    /// Why it was given up.
    pub failed: Option<String>,
}

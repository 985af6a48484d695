//! What a supervisor and its keeper say to each other: one JSON value a line.
//!
//! The keeper speaks first ([`Told::Hello`]). It understands nothing of a process but its name and life.

use serde::{Deserialize, Serialize};

use crate::{
    model::status::Exit,
    process::{identity::Identity, spawn::Launch},
};

/// Version of this protocol. A keeper of another version is replaced by one of our own; its children live on as
/// orphans and are adopted.
pub(crate) const KEEPER_PROTOCOL: u32 = 1;

/// From the supervisor to the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Start a process; answered by [`Told::Spawned`].
    Spawn {
        /// Its name.
        name: String,
        /// Its life.
        life: u64,
        /// How.
        launch: Launch,
    },
    /// The exit of this life need not be kept any more.
    Forget {
        /// Its name.
        name: String,
        /// Its life.
        life: u64,
    },
    /// The supervisor goes away on purpose: start no other one.
    Leave,
    /// Nothing is left to keep: end.
    End,
}

/// From the keeper to the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Told {
    /// First line of a connection.
    Hello {
        /// [`KEEPER_PROTOCOL`] of the keeper.
        protocol: u32,
        /// The keeper's pid.
        pid: u32,
        /// All children whose exit was not forgotten.
        children: Vec<Child>,
    },
    /// A process was started, or why not.
    Spawned {
        /// Its name.
        name: String,
        /// Its life.
        life: u64,
        /// Who it is.
        result: Result<Identity, String>,
    },
    /// A process ended.
    Exited {
        /// Its name.
        name: String,
        /// Its life.
        life: u64,
        /// How.
        exit: Exit,
    },
}

/// One child of the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Child {
    /// Its name.
    pub(crate) name: String,
    /// Its life.
    pub(crate) life: u64,
    /// Who it is.
    pub(crate) identity: Identity,
    /// How it ended, if it did.
    pub(crate) exit: Option<Exit>,
}

//! PostgreSQL as a process of ours: one cluster a major version, below `<state>/infra/postgres/<major>/`.
//!
//! ```text
//! data/              the cluster, mode 0700, of the user that postgres runs as
//! postgresql.conf    ours, written anew by every setup; likewise pg_hba.conf
//! started.json       boot and durability of the last setup
//! clone.json         what cloning costs here
//! ```
//!
//! A cluster is made under another name and renamed when it is whole: `data` exists means that it is.

mod cluster;
mod config;
mod control;
mod error;
mod initialise;
mod probe;
mod spec;
mod user;

pub use cluster::{Cluster, Event, Request, ensure, existing_major, run_as};
pub use error::ClusterError;
pub use probe::{clone_costs, known_clone_costs};

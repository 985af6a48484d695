//! What commands do, as steps over resources, infra and supervisors. Prints nothing but progress.

pub mod agent;
mod context;
pub mod demo;
pub mod doctor;
mod error;
mod evidence;
pub mod example;
mod hand_over;
pub mod health;
pub mod init;
pub mod launch;
pub mod logs;
pub mod prepare;
pub mod project;
mod proof;
pub mod psql;
mod remains;
mod require;
pub mod restart;
pub mod run;
pub mod session;
pub mod setup;
pub mod setup_infra;
pub mod slow_queries;
pub mod stats;
pub mod status;
pub mod teardown;
pub mod template;
pub mod uninstall;
pub mod verify;

pub use error::OpsError;
pub mod worktree;

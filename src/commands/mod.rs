//! One file a command: its clap `Args` and its `run`.

pub mod agent;
pub mod attach;
mod context;
pub mod demo;
pub mod doctor;
pub mod exec;
pub mod guard;
pub mod health;
pub mod infra;
pub mod init;
pub mod launch;
pub mod logs;
pub mod ls;
pub mod own_id;
pub mod psql;
pub mod restart;
pub mod run_session;
pub mod schema;
pub mod serve;
pub mod setup_infra;
pub mod slow_queries;
pub mod stats;
pub mod status;
pub mod supervise;
pub mod teardown;
pub mod template;
pub mod uninstall;
pub mod url;
pub mod verify;

pub use context::Context;

//! Agent Harness: a whole copy of a web app for every coding agent, on one machine.
//!
//! The map, in reading order. A module uses its own layer or a lower one; `tests/it/guards.rs` checks it.
//!
//! ```text
//! 5  cli                                   argv to command
//! 4  commands, supervise                   one file a command · the supervisor process
//! 3  ops                                   what a command does, as steps
//! 2  infra, resource, supervisor, wire     services · what an agent owns · who keeps processes alive
//! 1  config, store, process, output        settings · state on disk · the kernel · the terminal
//! 0  model, error, exit_code               pure
//! ```

pub mod error;
pub mod exit_code;
pub mod model;

pub mod config;
pub mod output;
pub mod process;
pub mod store;

pub mod infra;
pub mod resource;
pub mod supervisor;
pub mod wire;

pub mod ops;

pub mod commands;
pub mod supervise;

pub mod cli;

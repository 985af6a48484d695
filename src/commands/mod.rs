//! One file a command: its clap `Args` and its `run`.

mod context;
pub mod schema;
pub mod serve;
pub mod supervise;

pub use context::Context;

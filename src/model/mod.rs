//! Pure: no I/O, no clock, no randomness. What things are called and what is decided.

pub mod duration;
pub mod env_value;
pub mod first_error;
pub mod id;
pub mod layer;
pub mod machine;
pub mod manifest;
pub mod memory;
pub mod order;
pub mod ports;
pub mod room;
pub mod secret;
pub mod settings;
pub mod stack;
pub mod status;
pub mod step;
pub mod worktree;

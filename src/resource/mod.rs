//! What an agent owns: each can be ensured, inspected and removed, derived from its id.

pub mod bucket;
pub mod database;
pub mod env_file;
pub mod mailbox;
pub mod ports;
pub mod template;
pub mod tree;
pub mod worktree;

//! An agent's own git worktree: made, looked at for work that exists nowhere else, removed.
//!
//! Whose a worktree is stands in its claim ([`crate::store::worktree`]); where it is, is git's own knowledge. git is
//! run without hooks, and its own files are read only where it has no command that says the same.

mod branch;
mod ensure;
mod error;
mod git;
mod inspect;
mod place;
mod remove;
mod unlock;

pub use ensure::{Request, check, ensure};
pub use error::WorktreeError;
pub use git::Git;
pub use inspect::losses;
pub use place::{Found, current_branch, find, is_an_agents, resolve};
pub use remove::{BranchEnd, remove};

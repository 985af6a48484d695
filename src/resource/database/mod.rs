//! An agent's role and database, `agent_<id>`.
//!
//! A database is whole as soon as its owner is the agent's role: that is the last act of cloning, one transaction
//! with the hand-over of everything in it. Until then nobody but the superuser may connect, and what a crash left
//! behind is told by its owner, dropped and made anew.

mod clone;
mod error;
mod hand_over;
mod inspect;
mod remove;
mod role;
mod slow_queries;
mod sql;

pub use clone::{Cloned, Origin, clone};
pub use error::DatabaseError;
pub use inspect::{DatabaseState, State, inspect};
pub use remove::{Removed, remove};
pub use role::ensure_role;
pub use slow_queries::{SlowQuery, slow_queries};
pub use sql::after_clone;

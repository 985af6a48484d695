//! State on disk: small, versioned, replaced atomically, rebuildable.

pub mod atomic;
pub mod journal;
pub mod lock;
pub mod random;
pub mod record;
pub mod registry;
pub mod worktree;

mod error;

pub use error::StoreError;

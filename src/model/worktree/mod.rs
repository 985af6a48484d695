//! Worktrees, decided purely: which branch one gets, what its removal would lose, and where its symlinks lead.

mod branch;
mod link;
mod loss;

pub use branch::{BranchFacts, BranchName, BranchPlan, InvalidBranch, Refused, plan};
pub use link::{Trees, moved};
pub use loss::{Losses, Operation, changed_files};

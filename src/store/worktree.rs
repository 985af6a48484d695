//! What is ours of an agent's worktree. Written twice: beside the agent's record before git is asked to make anything,
//! and into git's private folder of the worktree, so that either proves alone whose the worktree is. Nothing that has
//! neither is ever changed or removed.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    record::{make_private_directory, read_versioned, write_json},
};
use crate::model::{id::AgentId, worktree::BranchName};

/// The version that is written.
const VERSION: u64 = 1;

/// How far a worktree has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// git is asked to make it: any part of it may be missing.
    Adding,
    /// git knows it; its files are being written.
    CheckingOut,
    /// All tracked files are there, and are its user's from now on; what git ignores is being brought.
    Filling,
    /// `worktree.prepare` is to run.
    Preparing,
    /// It is whole.
    Ready,
    /// It is being removed, by consent: nothing in it counts any more.
    Removing,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorktreeClaim {
    version: u64,
    /// Whose it is.
    pub agent: AgentId,
    /// The state directory of the installation whose agent that is.
    pub state: Utf8PathBuf,
    /// Where it lies.
    pub dir: Utf8PathBuf,
    /// The branch that it was made on.
    pub branch: BranchName,
    /// We made that branch, so we may remove it.
    pub made_branch: bool,
    /// How far it has come.
    pub stage: Stage,
}

impl WorktreeClaim {
    /// A claim on a worktree that is to be made.
    #[must_use]
    pub fn new(agent: AgentId, state: &Utf8Path, dir: &Utf8Path, branch: BranchName, made_branch: bool) -> Self {
        let (state, dir) = (state.to_owned(), dir.to_owned());
        Self { version: VERSION, agent, state, dir, branch, made_branch, stage: Stage::Adding }
    }

    /// The claim at `path`, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, is damaged or of a newer version.
    pub fn read(path: &Utf8Path) -> Result<Option<Self>, StoreError> {
        read_versioned(path, VERSION)
    }

    /// Replaces the claim at `path`; makes its directory (0700).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Utf8Path) -> Result<(), StoreError> {
        if let Some(directory) = path.parent() {
            make_private_directory(directory)?;
        }
        write_json(path, self)
    }
}

//! What can go wrong with a worktree.

use camino::Utf8PathBuf;

use crate::{
    error::Diagnose,
    exit_code::ExitCode,
    model::{
        id::AgentId,
        worktree::{BranchName, InvalidBranch, Losses, Refused},
    },
    process::cmd::CmdError,
    store::StoreError,
};

/// A failure with a worktree.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// The text can be no branch's name.
    #[error(transparent)]
    Name(#[from] InvalidBranch),
    /// git failed.
    #[error("`git {command}` failed")]
    Git {
        /// Its arguments.
        command: String,
        /// How.
        source: CmdError,
    },
    /// git said something unexpected.
    #[error("`git {args}` answered {text:?}")]
    Answer {
        /// Its arguments.
        args: String,
        /// What it said.
        text: String,
    },
    /// There is nothing that a branch could start from.
    #[error("{root} has no commit yet, and a worktree starts from one")]
    NoCommit {
        /// The project's checkout.
        root: Utf8PathBuf,
    },
    /// The branch cannot be had.
    #[error("the worktree cannot be on the branch {branch}: {}", describe(.refused))]
    Branch {
        /// The branch.
        branch: BranchName,
        /// Why.
        refused: Refused,
    },
    /// The agent's worktree is on another branch than the one asked for.
    #[error("agent {id} has its worktree {dir} on the branch {has}")]
    OtherBranch {
        /// The agent.
        id: AgentId,
        /// Where the worktree is.
        dir: Utf8PathBuf,
        /// The branch that it was made on.
        has: BranchName,
        /// The branch asked for.
        wanted: BranchName,
    },
    /// Something else is where the worktree is to be.
    #[error("{dir} is there already and is no worktree of agent {id}; it was left as it is")]
    Taken {
        /// The agent.
        id: AgentId,
        /// Where.
        dir: Utf8PathBuf,
    },
    /// git knows a worktree of somebody else's at that place, whose folder is gone.
    #[error("git remembers a worktree in {dir} that is no agent's, and its folder is gone")]
    Remembered {
        /// Where.
        dir: Utf8PathBuf,
        /// The project's checkout.
        root: Utf8PathBuf,
    },
    /// The folder of an agent's worktree is no worktree any more: nobody can say what work is in it.
    #[error("{dir} was the worktree of agent {id}, and git does not know it any more")]
    Forgotten {
        /// The agent.
        id: AgentId,
        /// Where.
        dir: Utf8PathBuf,
    },
    /// Removing it would lose work.
    #[error("the worktree {dir} holds what is nowhere else: {losses}")]
    WouldLose {
        /// The agent.
        id: AgentId,
        /// Where.
        dir: Utf8PathBuf,
        /// What.
        losses: Losses,
    },
    /// A file or folder could not be handled.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The claim could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn describe(refused: &Refused) -> String {
    match refused {
        Refused::CheckedOut(place) => format!("it is checked out in {place}"),
        Refused::HasCommits(count) => {
            let commits = if *count == 1 { "commit" } else { "commits" };
            format!("it exists with {count} {commits} that the project's HEAD does not have")
        }
        Refused::Ambiguous(names) => format!("several remotes have one: {}", names.join(", ")),
    }
}

impl WorktreeError {
    pub(super) fn git(args: &[&str], source: CmdError) -> Self {
        Self::Git { command: args.join(" "), source }
    }
}

impl Diagnose for WorktreeError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Name(_) => ExitCode::Usage,
            Self::Git { source: source @ CmdError::Start { .. }, .. } => source.exit_code(),
            Self::Git { .. } | Self::Answer { .. } | Self::File { .. } => ExitCode::StepFailed,
            Self::NoCommit { .. }
            | Self::Branch { .. }
            | Self::OtherBranch { .. }
            | Self::Taken { .. }
            | Self::Remembered { .. }
            | Self::Forgotten { .. }
            | Self::WouldLose { .. } => ExitCode::Conflict,
            Self::Store(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Name(_) => Some("a name such as: --branch fix/login".to_owned()),
            Self::Git { source: CmdError::Start { .. }, .. } => Some("apt-get install git".to_owned()),
            Self::Git { .. } | Self::Answer { .. } | Self::File { .. } => None,
            Self::NoCommit { root } => Some(format!("git -C '{root}' add --all && git -C '{root}' commit")),
            Self::Branch { refused: Refused::CheckedOut(_), .. } => {
                Some("give another one: --branch <name>".to_owned())
            }
            Self::Branch { branch, refused: Refused::HasCommits(_) } => {
                Some(format!("--branch {branch} to go on with them, or another name: --branch <name>"))
            }
            Self::Branch { branch, refused: Refused::Ambiguous(names) } => {
                let first = names.first().map_or("", |name| name.trim_start_matches("refs/remotes/"));
                Some(format!("git branch --track {branch} {first}"))
            }
            Self::OtherBranch { id, dir, wanted, .. } => {
                Some(format!("git -C '{dir}' switch {wanted}, or first: agent-harness teardown {id}"))
            }
            Self::Taken { .. } => Some("move it away, or set `dir` in [worktree]".to_owned()),
            Self::Remembered { root, .. } => Some(format!("git -C '{root}' worktree prune")),
            Self::Forgotten { id, .. } => Some(format!(
                "save what is needed of it, then: agent-harness teardown {id} --force, which removes the folder"
            )),
            Self::WouldLose { id, .. } => Some(format!(
                "commit and push or merge it, or lose what is uncommitted: agent-harness teardown {id} --force"
            )),
            Self::Store(error) => error.hint(),
        }
    }
}

//! What can go wrong with a terminal session.

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode, model::id::AgentId, process::cmd::CmdError, store::StoreError};

/// What can go wrong with a terminal session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no tmux.
    #[error("tmux is not in PATH")]
    NoTmux,
    /// The coding agent is not on this machine.
    #[error("{program}, which [session] runs, is not in PATH")]
    NoProgram {
        /// The program.
        program: String,
        /// The command that installs it.
        install: Option<String>,
    },
    /// Somebody else's session has the name.
    #[error("the tmux session {name} is not of this agent")]
    Foreign {
        /// The session.
        name: String,
        /// The server that it is of.
        socket: Utf8PathBuf,
    },
    /// There is none.
    #[error("agent {0} has no session")]
    None(AgentId),
    /// There is nobody who could see it.
    #[error("attaching needs a terminal")]
    NoTerminal,
    /// What was started is gone already.
    #[error("the session {name} ended at once")]
    Ended {
        /// The session.
        name: String,
        /// The agent.
        id: AgentId,
    },
    /// tmux refused.
    #[error("tmux {act} failed: {stderr}")]
    Tmux {
        /// What it was told.
        act: &'static str,
        /// What it said.
        stderr: String,
    },
    /// tmux could not be run.
    #[error(transparent)]
    Command(#[from] CmdError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Diagnose for SessionError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoTmux | Self::NoProgram { .. } => ExitCode::Missing,
            Self::Foreign { .. } => ExitCode::Conflict,
            Self::None(_) => ExitCode::Unwell,
            Self::NoTerminal => ExitCode::Usage,
            Self::Ended { .. } | Self::Tmux { .. } => ExitCode::StepFailed,
            Self::Command(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoTmux => Some("apt-get install tmux".to_owned()),
            Self::NoProgram { program, install } => {
                let other = || format!("install {program}, or name another command in [session] of harness.toml");
                Some(install.clone().unwrap_or_else(other))
            }
            Self::Foreign { name, socket } => {
                Some(format!("tmux -S {socket} rename-session -t '={name}' another-name"))
            }
            Self::None(id) => Some(format!("agent-harness launch {id} --claude")),
            Self::NoTerminal => Some("call it in a terminal".to_owned()),
            Self::Ended { id, .. } => Some(format!("run its command by hand: agent-harness exec {id} <command>")),
            Self::Tmux { .. } => None,
            Self::Command(error) => error.hint(),
            Self::Store(error) => error.hint(),
        }
    }
}

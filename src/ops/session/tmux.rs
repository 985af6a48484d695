//! tmux, spoken to on one socket.
//!
//! Sessions are marked by a user option, so one of ours is told from one that a person called the same. Nothing that is
//! given to tmux is a format: `-c` would expand `#(command)` in the name of a folder, so the client's own folder is used.

use std::os::unix::fs::DirBuilderExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use super::SessionError;
use crate::{
    config::{env_names, environment::Environment},
    error::Result,
    process::{
        cmd::{self, Cmd, Output},
        group,
        identity::Identity,
    },
    store::StoreError,
};

/// Longest time for tmux to answer.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);
/// How long a server that has no session any more may take to end.
const SERVER_END: std::time::Duration = std::time::Duration::from_secs(2);
/// The option that marks a session of ours.
const OPTION: &str = "@agent_harness";
/// What a client says when there is no server, or one that ends now.
const NO_SERVER: [&str; 6] = [
    "no server running",
    "No such file or directory",
    "Connection refused",
    "server exited unexpectedly",
    "no current target",
    "no sessions",
];

/// tmux on one socket.
#[derive(Clone, Debug)]
pub(super) struct Tmux {
    /// The program.
    pub(super) program: Utf8PathBuf,
    /// The server's socket.
    pub(super) socket: Utf8PathBuf,
    /// What a server that is started by this client has as its environment.
    pub(super) env: IndexMap<String, String>,
}

/// A pane of any session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pane {
    /// The server's own handle of its session, such as `$3`.
    pub(super) handle: String,
    /// Name of its session.
    pub(super) session: String,
    /// The mark of its session; empty when it is not ours.
    pub(super) mark: String,
    /// The server.
    pub(super) server: u32,
    /// The process that it was opened for.
    pub(super) pid: u32,
    /// Whether that process ended, and the pane stays to show why.
    pub(super) dead: bool,
}

impl Tmux {
    /// The tmux of a person's own shell: the server that this shell runs in, else the default one.
    ///
    /// # Errors
    /// When there is no tmux.
    pub(super) fn of(environment: &Environment) -> Result<Self, SessionError> {
        let path = environment.get("PATH").unwrap_or(env_names::DEFAULT_PATH);
        let program = cmd::find("tmux", path).ok_or(SessionError::NoTmux)?;
        // A server keeps what it was started with, so it gets what it would get from a person. What is ours, or of an
        // outer tmux, would be false in its windows.
        let foreign = |name: &str| name == env_names::TMUX || name == "TMUX_PANE";
        let own = |name: &str| name.starts_with(env_names::OWN_PREFIX);
        let env = environment.with_prefix(&[""]).filter(|(name, _)| !own(name) && !foreign(name));
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { program, socket: socket(environment), env })
    }

    /// The tmux in which the process `pid` runs, to ask and not to start.
    pub(super) fn around(pid: u32) -> Option<Self> {
        let tmux = group::variable(pid, env_names::TMUX)?;
        let path = group::variable(pid, "PATH").unwrap_or_else(|| env_names::DEFAULT_PATH.to_owned());
        let (program, socket) = (cmd::find("tmux", &path)?, tmux.split(',').next()?.into());
        Some(Self { program, socket, env: IndexMap::new() })
    }

    async fn ask(&self, act: &'static str, rest: &[&str], cwd: &Utf8Path) -> Result<Output, SessionError> {
        // -u: names of folders are UTF-8 whatever the locale is.
        let args = ["-u", "-S", self.socket.as_str(), act].into_iter().chain(rest.iter().copied());
        Ok(Cmd::new(&self.program).args(args).envs(&self.env).cwd(cwd).timeout(LIMIT).run_any().await?)
    }

    /// All panes of all sessions; none when there is no server.
    ///
    /// # Errors
    /// When tmux refuses to tell.
    pub(super) async fn panes(&self) -> Result<Vec<Pane>, SessionError> {
        let format = format!("#{{pid}} #{{pane_pid}} #{{pane_dead}} #{{session_id}} #{{session_name}} #{{{OPTION}}}");
        let output = self.ask("list-panes", &["-a", "-F", &format], Utf8Path::new("/")).await?;
        if output.status.success() {
            return Ok(output.stdout.lines().filter_map(pane).collect());
        }
        if NO_SERVER.iter().any(|text| output.stderr.contains(text)) {
            return Ok(Vec::new());
        }
        Err(SessionError::Tmux { act: "list-panes", stderr: output.stderr.trim().to_owned() })
    }

    /// Starts the detached session `name`, marked as `owner`'s, that runs `command` in `cwd`.
    ///
    /// # Errors
    /// When the socket's folder cannot be made or tmux not be run. Whether the session is there is for [`Self::panes`]
    /// to say: a server whose only session ended at once is gone before it could answer.
    pub(super) async fn start(
        &self,
        name: &str,
        owner: &str,
        command: &[&str],
        cwd: &Utf8Path,
    ) -> Result<Output, SessionError> {
        if let Some(folder) = self.socket.parent().filter(|folder| !folder.exists()) {
            let fail = |source| StoreError::Write { path: folder.to_owned(), source };
            std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(fail)?;
        }
        let (target, mark) = (format!("={name}:"), mark(owner));
        let mut args = vec!["-d", "-s", name, "-x", "200", "-y", "50", "--"];
        args.extend(command);
        args.extend([";", "set-option", "-t", &target, OPTION, &mark]);
        // Last, because an old tmux does not know the value: a command that failed stays to be seen.
        args.extend([";", "set-option", "-w", "-t", &target, "remain-on-exit", "failed"]);
        self.ask("new-session", &args, cwd).await
    }

    /// Ends the sessions of `own`, some panes of `all` that there are. A server that has no others ends with them, and is
    /// waited for: on its way out it would take the socket of a new one with it.
    ///
    /// # Errors
    /// When tmux cannot be run. What is gone already is no error.
    pub(super) async fn end(&self, own: &[Pane], all: &[Pane]) -> Result<()> {
        let server = all.iter().all(|pane| own.contains(pane)).then(|| own.first()).flatten();
        let server = server.and_then(|pane| Identity::of(pane.server).transpose()).transpose()?;
        let handle = server.map(|server| server.handle()).transpose()?.flatten();
        for pane in own {
            self.kill(&pane.handle).await?;
        }
        if let Some(handle) = handle {
            // One that was told to stay without sessions stays.
            if let Ok(ended) = tokio::time::timeout(SERVER_END, handle.ended()).await {
                ended?;
            }
        }
        Ok(())
    }

    /// Ends the session of this handle with all its windows.
    ///
    /// # Errors
    /// When tmux cannot be run. One that is gone already is no error.
    async fn kill(&self, handle: &str) -> Result<(), SessionError> {
        self.ask("kill-session", &["-t", handle], Utf8Path::new("/")).await.map(drop)
    }
}

/// The value of the option: the path that it stands for may have any character.
pub(super) fn mark(owner: &str) -> String {
    hex::encode(&Sha256::digest(owner)[..16])
}

/// `<server> <pid> <dead> <handle> <session> <mark>`; only the session's name may have spaces.
fn pane(line: &str) -> Option<Pane> {
    let mut words = line.splitn(5, ' ');
    let (server, pid) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (dead, handle) = (words.next()? == "1", words.next()?.to_owned());
    let (session, mark) = words.next()?.rsplit_once(' ')?;
    Some(Pane { handle, session: session.to_owned(), mark: mark.to_owned(), server, pid, dead })
}

/// Where the server of this shell listens, as tmux itself finds it.
fn socket(environment: &Environment) -> Utf8PathBuf {
    let own = environment.get(env_names::TMUX).and_then(|tmux| tmux.split(',').next());
    if let Some(own) = own.filter(|own| own.starts_with('/')) {
        return own.into();
    }
    let folder = environment.get(env_names::TMUX_TMPDIR).unwrap_or("/tmp");
    Utf8Path::new(folder).join(format!("tmux-{}/default", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_are_read() {
        let is = |session: &str, mark: &str, dead| {
            Some(Pane { handle: "$3".into(), session: session.into(), mark: mark.into(), server: 7, pid: 12, dead })
        };
        assert_eq!(pane("7 12 0 $3 agent-1 0a1b"), is("agent-1", "0a1b", false));
        assert_eq!(pane("7 12 1 $3 agent-1 "), is("agent-1", "", true));
        assert_eq!(pane("7 12 0 $3 my own work "), is("my own work", "", false));
        assert_eq!(pane("x"), None);
    }

    #[test]
    fn the_socket_is_that_of_the_shell() {
        let socket = |variables: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            socket(&Environment::new(variables.iter().map(own))).to_string()
        };
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(socket(&[]), format!("/tmp/tmux-{uid}/default"));
        assert_eq!(socket(&[("TMUX_TMPDIR", "/x y")]), format!("/x y/tmux-{uid}/default"));
        assert_eq!(socket(&[("TMUX", "/tmp/other,12,0"), ("TMUX_TMPDIR", "/x")]), "/tmp/other");
    }
}

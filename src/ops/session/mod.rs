//! The terminal session `agent-<id>` of an agent: a coding agent in tmux, with the environment of the agent's processes.
//!
//! The session lies on the person's own tmux server, where `tmux ls` shows it. That server was started by somebody, some
//! time, with some environment, so nothing of it is used: what tmux runs is this program again, which reads a private
//! file (0600) and becomes the coding agent. No secret is in any argv.

mod error;
mod tmux;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::error::SessionError;
use self::tmux::{Pane, Tmux, mark};
use super::{agent::Agent, context, project::Project};
use crate::{
    config::{env_names, environment::Environment, paths::Paths, text},
    error::Result,
    model::{
        id::AgentId,
        stack::{Stop, StopSignal},
    },
    process::{cmd, group, group::Traces, identity::Identity, spawn},
    store::{
        StoreError,
        atomic::{self, Access},
        lock::{Lock, PATIENCE},
    },
};

/// What a terminal gives to the programs in it, and what the agent's environment leaves out of a person's.
const OF_THE_TERMINAL: [&str; 7] =
    ["TERM", "COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "SSH_AUTH_SOCK"];
/// What the harness itself is told by: commands of ours in the session mean the same agents and services.
const OF_THE_HARNESS: [&str; 9] = [
    env_names::STATE_DIR,
    env_names::CACHE_DIR,
    env_names::PROGRAM,
    env_names::DB_PORT,
    env_names::S3_PORT,
    env_names::S3_CONSOLE_PORT,
    env_names::BROWSER_PORT,
    env_names::SMTP_PORT,
    env_names::MAIL_PORT,
];
/// What tmux says of a session that ended while it was being made.
const GONE: [&str; 3] = ["server exited", "no such session", "can't find"];
/// How long what hung up has to end by itself.
const GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// A session, as it is told.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Session {
    /// Its name in tmux.
    pub name: String,
    /// Whether it was started now, or ran already.
    pub started: bool,
    /// The command that attaches to it.
    pub attach: String,
}

/// What a session runs, as it lies on disk (0600).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// The tmux program.
    tmux: Utf8PathBuf,
    /// The server's socket.
    socket: Utf8PathBuf,
    /// The coding agent and its arguments.
    argv: Vec<String>,
    /// Its folder.
    cwd: Utf8PathBuf,
    /// Its environment, what the terminal gives aside.
    env: IndexMap<String, String>,
}

impl Spec {
    fn read(path: &Utf8Path) -> Result<Option<Self>, SessionError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path: path.to_owned(), source }.into()),
        };
        let damaged = |source| StoreError::Damaged { path: path.to_owned(), source };
        Ok(Some(serde_json::from_slice(&bytes).map_err(damaged)?))
    }

    fn write(&self, path: &Utf8Path) -> Result<(), SessionError> {
        let text = serde_json::to_vec_pretty(self).expect("texts are plain JSON");
        Ok(atomic::write(path, &text, Access::Private)?)
    }

    /// The server that the session is on. Without an environment it only asks, and starts no server.
    fn tmux(&self) -> Tmux {
        Tmux { program: self.tmux.clone(), socket: self.socket.clone(), env: IndexMap::new() }
    }
}

/// Whether a session can be started for an agent of `project`, `id` if that is known: to be asked before anything is
/// done.
///
/// # Errors
/// When tmux or the coding agent is missing, or somebody else's session has the name.
pub async fn check(project: &Project, id: Option<AgentId>) -> Result<()> {
    let tmux = Tmux::of(&project.environment)?;
    if let Some(id) = id {
        ensure_name_is_free(&tmux, &project.paths, id).await?;
    }
    let session = &project.settings.manifest.session;
    // Names stand for an agent's values only in what follows the program.
    let argv = text::argv(&session.run, |_| Some(String::new()))?;
    Ok(find(project, argv.first(), &project.base_env, &project.settings.workdir)?)
}

fn find(
    project: &Project,
    program: Option<&String>,
    env: &IndexMap<String, String>,
    workdir: &Utf8Path,
) -> Result<(), SessionError> {
    let program = program.cloned().unwrap_or_default();
    let path = env.get("PATH").map_or(env_names::DEFAULT_PATH, String::as_str);
    let wanted = if program.contains('/') { workdir.join(&program).into_string() } else { program.clone() };
    match cmd::find(&wanted, path) {
        Some(_) => Ok(()),
        None => Err(SessionError::NoProgram { program, install: project.settings.manifest.session.install.clone() }),
    }
}

/// Starts the session of agent `id`; one that runs is left as it is.
///
/// # Errors
/// When the agent is not launched, something is missing, the name is taken, or the coding agent ends at once.
pub async fn start(project: &Project, id: AgentId) -> Result<Session> {
    let paths = &project.paths;
    let _lock = Lock::acquire(&paths.locks(), &id.name(), &format!("launch {id} --claude"), PATIENCE).await?;
    let record = Agent::open(paths, id)?.record;
    // A session of ours may be on another server than that of this shell.
    let tmux = match Spec::read(&paths.session(id))? {
        Some(spec) if !own_panes(&spec.tmux(), paths, id).await?.0.is_empty() => {
            Tmux { socket: spec.socket, ..Tmux::of(&project.environment)? }
        }
        _ => Tmux::of(&project.environment)?,
    };
    let name = id.name();
    let told = |name, started| Session { name, started, attach: format!("agent-harness attach {id}") };
    let (own, all) = own_panes(&tmux, paths, id).await?;
    if let Some(pane) = own.iter().find(|pane| !pane.dead) {
        return Ok(told(pane.session.clone(), false));
    }
    tmux.end(&own, &all).await?;
    ensure_name_is_free(&tmux, paths, id).await?;
    let values = context::of_agent(&project.settings, id, &record.workdir, &record.ports, &record.secrets);
    let environment = environment(&Agent { record }, paths, &project.environment);
    let command = text::resolve_session(&project.settings.manifest, &values, &environment)?;
    find(project, command.argv.first(), &command.env, &command.cwd)?;
    let spec = Spec {
        tmux: tmux.program.clone(),
        socket: tmux.socket.clone(),
        argv: command.argv,
        cwd: command.cwd,
        env: command.env,
    };
    let path = paths.session(id);
    spec.write(&path)?;
    let program = spawn::own_program();
    let argv = [program.as_str(), "run-session", path.as_str()];
    let output = tmux.start(&name, &paths.session_mark(id), &argv, &spec.cwd).await?;
    if own_panes(&tmux, paths, id).await?.0.is_empty() {
        let stderr = output.stderr.trim().to_owned();
        let quiet = output.status.success() || GONE.iter().any(|text| stderr.contains(text));
        let error =
            if quiet { SessionError::Ended { name, id } } else { SessionError::Tmux { act: "new-session", stderr } };
        return Err(error.into());
    }
    Ok(told(name, true))
}

/// The environment of the agent's processes, and what tells commands of ours where they are.
fn environment(agent: &Agent, paths: &Paths, shell: &Environment) -> IndexMap<String, String> {
    let mut environment = agent.environment();
    let id = agent.record.id;
    for name in OF_THE_HARNESS {
        if let Some(value) = shell.get(name) {
            environment.insert(name.to_owned(), value.to_owned());
        }
    }
    for (name, value) in [
        (env_names::ID, id.to_string()),
        (env_names::STACK, paths.session_mark(id)),
        (env_names::PROCESS, "session".to_owned()),
    ] {
        environment.insert(name.to_owned(), value);
    }
    environment
}

/// The panes of agent `id`'s session, whatever a person calls it now; and all that there are.
async fn own_panes(tmux: &Tmux, paths: &Paths, id: AgentId) -> Result<(Vec<Pane>, Vec<Pane>), SessionError> {
    let (all, mark) = (tmux.panes().await?, mark(&paths.session_mark(id)));
    Ok((all.iter().filter(|pane| pane.mark == mark).cloned().collect(), all))
}

/// Whether no session of somebody else has the name that agent `id`'s is to have.
async fn ensure_name_is_free(tmux: &Tmux, paths: &Paths, id: AgentId) -> Result<(), SessionError> {
    let (name, mark) = (id.name(), mark(&paths.session_mark(id)));
    let panes = tmux.panes().await?;
    let taken = panes.iter().any(|pane| pane.session == name && pane.mark != mark);
    let own = panes.iter().any(|pane| pane.mark == mark && !pane.dead);
    if taken && !own {
        return Err(SessionError::Foreign { name, socket: tmux.socket.clone() });
    }
    Ok(())
}

/// What runs in a session: argv, environment and folder.
///
/// # Errors
/// When the file at `path` cannot be read.
pub fn command(
    path: &Utf8Path,
    terminal: &Environment,
) -> Result<(Vec<String>, IndexMap<String, String>, Utf8PathBuf)> {
    let missing = || StoreError::Read { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() };
    let Spec { argv, cwd, mut env, .. } = Spec::read(path)?.ok_or_else(missing)?;
    for name in OF_THE_TERMINAL {
        if let Some(value) = terminal.get(name) {
            env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    Ok((argv, env, cwd))
}

/// The command that shows agent `id`'s session in this terminal, and its environment.
///
/// # Errors
/// When there is no session.
pub async fn attach(
    paths: &Paths,
    id: AgentId,
    shell: &Environment,
) -> Result<(Vec<String>, IndexMap<String, String>)> {
    Agent::open(paths, id)?;
    let spec = Spec::read(&paths.session(id))?.ok_or(SessionError::None(id))?;
    let (panes, _) = own_panes(&spec.tmux(), paths, id).await?;
    let pane = panes.first().ok_or(SessionError::None(id))?;
    let mut env: IndexMap<String, String> =
        shell.with_prefix(&[""]).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    // Inside of that very server the terminal is switched over; inside of another one it is nested.
    let outer = shell.get(env_names::TMUX).and_then(|tmux| tmux.split(',').next().map(ToOwned::to_owned));
    let within = outer.is_some_and(|socket| socket == spec.socket);
    if !within {
        env.shift_remove(env_names::TMUX);
    }
    let act = if within { "switch-client" } else { "attach-session" };
    let argv = [spec.tmux.as_str(), "-S", spec.socket.as_str(), act, "-t", &pane.handle];
    Ok((argv.map(str::to_owned).to_vec(), env))
}

/// Ends the session of agent `id` and everything in it; whether there was one. Somebody else's of that name stays.
///
/// # Errors
/// When it does not end.
pub async fn end(paths: &Paths, id: AgentId) -> Result<bool> {
    let mark = paths.session_mark(id);
    let all = Traces::of_stack(&mark);
    let members = all.members()?;
    // Without the file a process of the session tells where it is.
    let tmux = match Spec::read(&paths.session(id))? {
        Some(spec) => Some(spec.tmux()),
        None => members.iter().find_map(|member| Tmux::around(member.pid)),
    };
    let mut leaders = Vec::new();
    if let Some(tmux) = tmux {
        match own_panes(&tmux, paths, id).await {
            Ok((own, panes)) => {
                for pane in &own {
                    leaders.extend(Identity::of(pane.pid)?);
                }
                tmux.end(&own, &panes).await?;
            }
            // Without tmux there is no server to ask either; what it ran is found all the same.
            Err(SessionError::Command(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let stop = Stop { signal: StopSignal::Hup, leader_only: false, grace: GRACE };
    let there = !leaders.is_empty() || !members.is_empty();
    for leader in &leaders {
        group::end(&Traces { leader: Some(leader), ..all }, stop).await?;
    }
    group::end(&all, stop).await?;
    Ok(there)
}

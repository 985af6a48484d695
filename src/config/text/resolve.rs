//! From the manifest's texts to argv, environment and folders of one agent.

use std::time::Duration;

use camino::Utf8PathBuf;
use indexmap::IndexMap;

use super::{Context, TextError, VERIFY_BASE, argv, command::inside, substitute};
use crate::model::{
    duration,
    manifest::{self, AfterClone, Manifest, Prepare, Process, Task, TemplateStep},
    stack::{self, ProcessSpec, ReadyCheck, Stop, Watch},
};

/// Longest time from start to ready when the manifest names none.
const READY_TIMEOUT: Duration = Duration::from_mins(2);
/// Time from the stop signal to SIGKILL when the manifest names none.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Quiet time after a change: editors and compilers write several files in a row.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Longest time of a template step when the manifest names none.
const STEP_TIMEOUT: Duration = Duration::from_mins(30);
/// Longest time of a task of `verify` when the manifest names none.
const TASK_TIMEOUT: Duration = Duration::from_mins(30);

/// A command of the manifest, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory, absolute.
    pub cwd: Utf8PathBuf,
    /// The whole environment.
    pub env: IndexMap<String, String>,
    /// Longest time it may take, when it has a limit.
    pub timeout: Option<Duration>,
}

/// `[env]`: what every process is given and the environment file holds.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_env(manifest: &Manifest, context: &Context) -> Result<IndexMap<String, String>, TextError> {
    map(&manifest.env, context)
}

/// `[urls]`.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_urls(manifest: &Manifest, context: &Context) -> Result<IndexMap<String, String>, TextError> {
    map(&manifest.urls, context)
}

/// `worktree.dir` with `~/` replaced by `home`.
///
/// # Errors
/// When the text cannot be resolved.
pub fn resolve_worktree_dir(manifest: &Manifest, context: &Context, home: &str) -> Result<Utf8PathBuf, TextError> {
    let dir = text(&manifest.worktree.dir, context)?;
    Ok(match dir.strip_prefix("~/") {
        Some(below) => Utf8PathBuf::from(home).join(below),
        None => Utf8PathBuf::from(dir),
    })
}

/// A process, ready to be supervised. Its environment is `base` (the recorded allow-list of the launching shell), over
/// it `[env]`, over it the process's own.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_process(
    manifest: &Manifest,
    process: &Process,
    context: &Context,
    base: &IndexMap<String, String>,
) -> Result<ProcessSpec, TextError> {
    let command = command(manifest, context, base, &process.run, process.cwd.as_deref(), Some(&process.env))?;
    let paths: Vec<Utf8PathBuf> = process
        .watch
        .iter()
        .map(|path| inside(&context.workdir, Some(command.cwd.join(path).as_str())))
        .collect::<Result<_, _>>()?;
    let watch = (!paths.is_empty()).then(|| Watch { paths, ignore: process.watch_ignore.clone(), debounce: DEBOUNCE });
    Ok(ProcessSpec {
        name: process.name.clone(),
        argv: command.argv,
        cwd: command.cwd,
        env: command.env,
        run_as: None,
        ready: process.ready.as_ref().map(|ready| resolve_ready(ready, context)).transpose()?,
        autostart: process.enabled,
        after: process.after.clone(),
        watch,
        restart: match process.restart {
            manifest::Restart::Always => stack::Restart::Always,
            manifest::Restart::OnFailure => stack::Restart::OnFailure,
            manifest::Restart::Never => stack::Restart::Never,
        },
        stop: Stop {
            signal: match process.stop_signal {
                manifest::StopSignal::Term => stack::StopSignal::Term,
                manifest::StopSignal::Int => stack::StopSignal::Int,
                manifest::StopSignal::Quit => stack::StopSignal::Quit,
                manifest::StopSignal::Hup => stack::StopSignal::Hup,
            },
            leader_only: false,
            grace: time(process.stop_grace.as_deref(), STOP_GRACE)?,
        },
    })
}

/// `[[prepare]]`: a command that makes a workdir ready. It runs before there is an agent, with `base` and its own
/// environment only.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_prepare(
    prepare: &Prepare,
    context: &Context,
    base: &IndexMap<String, String>,
) -> Result<Command, TextError> {
    let mut env = base.clone();
    env.extend(map(&prepare.env, context)?);
    let argv = argv(&prepare.run, |name| context.lookup(name))?;
    Ok(Command { argv, cwd: folder(prepare.cwd.as_deref(), context)?, env, timeout: None })
}

/// `[[template.step]]`: the command of one layer.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_step(
    manifest: &Manifest,
    step: &TemplateStep,
    context: &Context,
    base: &IndexMap<String, String>,
) -> Result<Command, TextError> {
    let mut command = command(manifest, context, base, &step.run, step.cwd.as_deref(), Some(&step.env))?;
    command.timeout = Some(time(step.timeout.as_deref(), STEP_TIMEOUT)?);
    Ok(command)
}

/// What `[[template.after_clone]]` does: SQL or a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterCloneAct {
    /// SQL, run as the agent's role in one transaction.
    Sql(String),
    /// A command.
    Run(Command),
}

/// `[[template.after_clone]]`. In SQL a `'` in a value is doubled, so a value inside of quotes stays inside.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_after_clone(
    manifest: &Manifest,
    step: &AfterClone,
    context: &Context,
    base: &IndexMap<String, String>,
) -> Result<AfterCloneAct, TextError> {
    match (&step.sql, &step.run) {
        (Some(sql), None) => {
            let quoted = |name: &str| context.lookup(name).map(|value| value.replace('\'', "''"));
            Ok(AfterCloneAct::Sql(substitute(sql, quoted)?))
        }
        (None, Some(run)) => Ok(AfterCloneAct::Run(command(manifest, context, base, run, step.cwd.as_deref(), None)?)),
        _ => Err(TextError::NotOne("exactly one of `sql` and `run` is needed")),
    }
}

/// A task of `[[verify.stage]]`. Its environment is `environment`, that of the agent's processes, and over it its own.
/// With a commit to compare with, its `changed` is run in place of its `run`, if it has one.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_task(
    task: &Task,
    context: &Context,
    environment: &IndexMap<String, String>,
    base: Option<&str>,
) -> Result<Command, TextError> {
    let mut env = environment.clone();
    env.extend(map(&task.env, context)?);
    let argv = match (&task.changed, base) {
        (Some(changed), Some(base)) => {
            let lookup = |name: &str| if name == VERIFY_BASE { Some(base.to_owned()) } else { context.lookup(name) };
            argv(changed, lookup)?
        }
        _ => argv(&task.run, |name| context.lookup(name))?,
    };
    let timeout = time(task.timeout.as_deref(), TASK_TIMEOUT)?;
    Ok(Command { argv, cwd: folder(task.cwd.as_deref(), context)?, env, timeout: Some(timeout) })
}

/// `[session]`: the coding agent, run in the workdir with `environment`, that of the agent's processes.
///
/// # Errors
/// When a text cannot be resolved.
pub fn resolve_session(
    manifest: &Manifest,
    context: &Context,
    environment: &IndexMap<String, String>,
) -> Result<Command, TextError> {
    let argv = argv(&manifest.session.run, |name| context.lookup(name))?;
    Ok(Command { argv, cwd: context.workdir.clone(), env: environment.clone(), timeout: None })
}

fn resolve_ready(ready: &manifest::Ready, context: &Context) -> Result<stack::Ready, TextError> {
    let port = |name: &str| {
        let unknown = || TextError::Unknown { nth: 0, name: format!("ports.{name}") };
        context.ports.get(name).copied().ok_or_else(unknown)
    };
    let check = match (&ready.http, &ready.tcp, &ready.log, &ready.command) {
        (Some(path), None, None, None) => {
            let port = port(ready.port.as_deref().unwrap_or_default())?;
            ReadyCheck::Http { url: format!("http://localhost:{port}{}", text(path, context)?) }
        }
        (None, Some(name), None, None) => ReadyCheck::Tcp { port: port(name)? },
        (None, None, Some(pattern), None) => ReadyCheck::Log { pattern: pattern.clone() },
        (None, None, None, Some(run)) => ReadyCheck::Command { argv: argv(run, |name| context.lookup(name))? },
        _ => return Err(TextError::NotOne("exactly one of `http`, `tcp`, `log` and `command` is needed")),
    };
    Ok(stack::Ready { check, timeout: time(ready.timeout.as_deref(), READY_TIMEOUT)? })
}

fn command(
    manifest: &Manifest,
    context: &Context,
    base: &IndexMap<String, String>,
    run: &str,
    cwd: Option<&str>,
    own: Option<&IndexMap<String, String>>,
) -> Result<Command, TextError> {
    let mut env = base.clone();
    env.extend(resolve_env(manifest, context)?);
    if let Some(own) = own {
        env.extend(map(own, context)?);
    }
    Ok(Command { argv: argv(run, |name| context.lookup(name))?, cwd: folder(cwd, context)?, env, timeout: None })
}

fn folder(cwd: Option<&str>, context: &Context) -> Result<Utf8PathBuf, TextError> {
    let cwd = cwd.map(|cwd| text(cwd, context)).transpose()?;
    inside(&context.workdir, cwd.as_deref())
}

fn text(text: &str, context: &Context) -> Result<String, TextError> {
    substitute(text, |name| context.lookup(name))
}

fn map(texts: &IndexMap<String, String>, context: &Context) -> Result<IndexMap<String, String>, TextError> {
    texts.iter().map(|(name, value)| Ok((name.clone(), text(value, context)?))).collect()
}

fn time(text: Option<&str>, default: Duration) -> Result<Duration, TextError> {
    Ok(text.map(duration::parse).transpose()?.unwrap_or(default))
}

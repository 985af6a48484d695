//! The supervisor itself: `agent-harness supervise <stack>`. Why it is made this way: `docs/design/supervisor.md`.
//!
//! ```text
//!  clients ─▶ server ─▶ set ──event──▶ model::machine (one a process) ──action──▶ unit ─▶ keeper ─▶ fork, exec
//!                        ▲  ◀── follow (lines) ── ready (probes) ── watch (files) ── keeper (ends) ┘
//! ```

pub mod watch;

mod adopt;
mod door;
mod error;
mod keeper;
mod ready;
mod record;
mod requests;
mod server;
mod set;
mod unit;

use std::{os::fd::OwnedFd, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

pub use self::error::SuperviseError;
use self::{
    door::Door,
    keeper::link::Link,
    record::Record,
    requests::Desk,
    set::{End, Set},
};
use crate::{
    config::{env_names, paths::StackDir},
    model::{
        order,
        stack::{StackName, StackSpec},
    },
    output::printer::Printer,
    process::{cgroup::Cgroup, follow::Followers, spawn},
    store::{StoreError, lock::Lock},
};

/// How long a supervisor waits for the lock of one that is going away.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// Supervises the stack in `directory` until it is stopped, or this supervisor is told to go.
///
/// # Errors
/// When another supervisor has the stack, its specification cannot be used, or its keeper cannot be had.
pub fn run(directory: &StackDir) -> Result<(), SuperviseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SuperviseError::Loop)?;
    let (end, lock) = runtime.block_on(async {
        let lock = lock(directory).await?;
        Ok::<_, SuperviseError>((supervise(directory).await?, lock))
    })?;
    drop(runtime);
    match end {
        End::Closed => Ok(lock.remove()?),
        End::Left => Ok(()),
        End::Replaced(program) => {
            drop(lock);
            let arguments = ["supervise", directory.path().as_str()];
            Err(spawn::replace_by(program.as_str().into(), &arguments, &[(env_names::SUPERVISOR, directory.mark())])
                .into())
        }
    }
}

/// Keeps the processes of the stack in `directory` until told to end; `first` is the supervisor that started it.
///
/// # Errors
/// When the kernel gives no more what it needs.
pub fn keep(directory: &StackDir, first: OwnedFd) -> Result<(), SuperviseError> {
    keeper::run(directory, first)
}

/// Takes the lock that makes this the only supervisor of the stack. One that was killed a moment ago may still hold it.
async fn lock(directory: &StackDir) -> Result<Lock, SuperviseError> {
    let taken = Lock::acquire(directory.path(), "supervisor", "supervise", LOCK_LIMIT).await;
    taken.map_err(|error| match error {
        StoreError::Locked { .. } => SuperviseError::Held { path: directory.path().to_owned() },
        error => error.into(),
    })
}

/// The specification; `None` when the stack is not meant to run (any more).
fn load_spec(directory: &StackDir) -> Result<Option<StackSpec>, SuperviseError> {
    let path = directory.spec();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SuperviseError::File { path, source }),
    };
    let spec: StackSpec = serde_json::from_slice(&text).map_err(|source| SuperviseError::Spec { path, source })?;
    order::of_stack(&spec)?;
    Ok(Some(spec))
}

async fn supervise(directory: &StackDir) -> Result<End, SuperviseError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(SuperviseError::Loop)?;
    let spec = load_spec(directory)?;
    let name = match &spec {
        Some(spec) => spec.name,
        None => stack_name(directory)?,
    };
    let record = Record::load(directory, set::boot()?);
    let (link, children) = Link::reach(directory, record.keeper.as_ref()).await?;
    let (reports, inbox) = mpsc::unbounded_channel();
    let mut set = Set {
        directory: directory.clone(),
        name,
        units: Vec::new(),
        link,
        followers: Followers::new(directory.clone())?,
        reports,
        inbox,
        record,
        desk: Desk::default(),
        door: Door::open(directory, name)?,
        cgroup: Cgroup::of_stack(directory.mark()).ok(),
        closing: false,
    };
    let to_close = spec.is_none();
    set.take_over(spec.unwrap_or(StackSpec { name, processes: Vec::new(), boot: None }), &children).await?;
    if to_close {
        // Whoever began to stop this stack died in between.
        set.begin_close().await;
    }
    let leave = async || {
        terminate.recv().await;
    };
    let end = set.serve(leave).await;
    set.desk.gone().await;
    end
}

/// A line in `supervisor.log`, for whoever looks for a reason.
fn note(text: impl std::fmt::Display) {
    Printer::new().tell(format_args!("{:.3} {text}", jiff::Timestamp::now()));
}

fn stack_name(directory: &StackDir) -> Result<StackName, SuperviseError> {
    let name = directory.path().file_name().unwrap_or_default();
    name.parse().map_err(|_| SuperviseError::File {
        path: directory.path().to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "is no stack's directory"),
    })
}

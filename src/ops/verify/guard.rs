//! Ends what a killed `verify` leaves.
//!
//! The guard is a small process that waits on a pipe. `verify` says on it that it is done; when the pipe ends without
//! that word, `verify` was killed, and the guard ends every process that carries the mark. It takes the agent's lock
//! for that: who has got it before (the next `verify`, a `teardown`) does the same by itself, and what that one starts
//! carries the same mark and must live.

use std::{
    io::{PipeWriter, Read as _, Write as _},
    process::Child,
    time::Duration,
};

use camino::Utf8Path;

use super::VerifyError;
use crate::{
    config::{env_names, paths::Paths},
    error::Result,
    model::id::AgentId,
    process::{
        cgroup::Cgroup,
        group::{self, Traces},
        identity::Handle,
        spawn::{self, Launch},
    },
    store::lock::Lock,
};

/// The word that all is well.
const DONE: &[u8] = b"done";
/// Time that a dying `verify` gets to let its lock go.
const PATIENCE: Duration = Duration::from_secs(1);

/// A guard that runs. Dropped without [`Self::dismiss`] it does its work.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    pipe: PipeWriter,
}

impl Guard {
    /// Starts the guard over whatever carries the mark of agent `id`'s `verify`.
    pub(super) fn start(paths: &Paths, id: AgentId) -> Result<Self> {
        let (reader, pipe) = std::io::pipe().map_err(VerifyError::Guard)?;
        let directory = paths.verify(id);
        let argv = vec![
            spawn::own_program().into_string(),
            "guard".to_owned(),
            paths.locks().into_string(),
            id.name(),
            directory.to_string(),
        ];
        let launch = Launch {
            argv,
            cwd: "/".into(),
            // So it is never taken for one of those whom it ends.
            env: vec![(env_names::SUPERVISOR.to_owned(), directory.to_string())],
            run_as: None,
            cgroup: None,
            output: directory.join("guard.out"),
        };
        Ok(Self { child: launch.spawn(Some(reader.into()))?, pipe })
    }

    /// Says that nothing is left, and waits until the guard is gone.
    pub(super) async fn dismiss(mut self) -> Result<()> {
        // A guard that was killed by somebody guards nothing any more, and has nothing to be told.
        drop(self.pipe.write_all(DONE));
        drop(self.pipe);
        // Without a handle it is gone already.
        if let Ok(handle) = Handle::open(self.child.id()) {
            handle.ended().await?;
        }
        self.child.wait().map(drop).map_err(VerifyError::Guard)?;
        Ok(())
    }
}

/// The guard itself: waits for the word on stdin; without it, ends every process that carries `mark`.
///
/// # Errors
/// When stdin cannot be read, or what is left not be ended.
pub fn stand(locks: &Utf8Path, lock: &str, mark: &str) -> Result<()> {
    let mut word = Vec::new();
    std::io::stdin().read_to_end(&mut word).map_err(VerifyError::Guard)?;
    if word == DONE {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(VerifyError::Guard)?;
    runtime.block_on(async {
        let _lock = Lock::acquire(locks, lock, "the end of a killed verify", PATIENCE).await?;
        end_leftovers(mark).await
    })
}

/// Ends what a `verify` with this mark left that ended before its tasks. The agent's lock is held.
///
/// # Errors
/// When it cannot be found or does not end.
pub(in crate::ops) async fn end_leftovers(mark: &str) -> Result<()> {
    // Where it may be had, the cgroup finds also what has neither the mark nor a family any more.
    let cgroup = Cgroup::of_stack(mark).ok();
    group::kill(&Traces { cgroup: cgroup.as_ref(), ..Traces::of_stack(mark) }).await?;
    if let Some(cgroup) = cgroup {
        // One that is left costs nothing.
        drop(cgroup.remove());
    }
    Ok(())
}

//! The supervisor's end of the conversation with its keeper.

use std::{io, os::fd::OwnedFd, process::Child as Process, time::Duration};

use tokio::net::{
    UnixStream,
    unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::protocol::{Child, KEEPER_PROTOCOL, Order, Told};
use crate::{
    config::{env_names, paths::StackDir},
    process::{
        identity::{Handle, Identity},
        spawn::{self, Launch},
    },
    supervise::SuperviseError,
    wire::{
        line::{self, Line, LineReader},
        socket,
    },
};

/// Time in which a keeper says hello; one that does not is taken for dead.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// A connection to the keeper.
#[derive(Debug)]
pub(crate) struct Link {
    reader: LineReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// Who the keeper is.
    pub(crate) keeper: Identity,
    /// The keeper, when this supervisor started it: to be reaped when it ends.
    process: Option<Process>,
}

impl Link {
    /// Reaches the keeper of `directory`, or starts one; returns its children too. `last` is the keeper that was
    /// recorded: it is ended when it lives but does not answer, or is of another version.
    ///
    /// # Errors
    /// When there is none and none can be started.
    pub(crate) async fn reach(
        directory: &StackDir,
        last: Option<&Identity>,
    ) -> Result<(Self, Vec<Child>), SuperviseError> {
        if let Ok(Some(stream)) = socket::connect(&directory.keeper_socket()).await
            && let Some(greeted) = Self::greet(stream, None).await?
        {
            return Ok(greeted);
        }
        if let Some(handle) = last.map(Identity::handle).transpose()?.flatten() {
            handle.signal(rustix::process::Signal::KILL)?;
            handle.ended().await?;
        }
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(SuperviseError::Keeper)?;
        let process = keeper(directory).spawn(Some(OwnedFd::from(theirs)))?;
        ours.set_nonblocking(true).map_err(SuperviseError::Keeper)?;
        let stream = UnixStream::from_std(ours).map_err(SuperviseError::Keeper)?;
        let silent = || SuperviseError::Keeper(io::Error::new(io::ErrorKind::TimedOut, "it did not come up"));
        Self::greet(stream, Some(process)).await?.ok_or_else(silent)
    }

    async fn greet(stream: UnixStream, process: Option<Process>) -> Result<Option<(Self, Vec<Child>)>, SuperviseError> {
        let (reader, writer) = stream.into_split();
        let mut reader = LineReader::new(reader);
        let Ok(Ok(Line::Value(Told::Hello { protocol, pid, children }))) =
            tokio::time::timeout(HELLO_LIMIT, reader.next()).await
        else {
            return Ok(None);
        };
        let Some(keeper) = Identity::of(pid)? else { return Ok(None) };
        if protocol != KEEPER_PROTOCOL {
            let handle = Handle::open(pid)?;
            handle.signal(rustix::process::Signal::KILL)?;
            handle.ended().await?;
            return Ok(None);
        }
        Ok(Some((Self { reader, writer, keeper, process }, children)))
    }

    /// The next thing that the keeper tells; `None` when it went away. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        match self.reader.next().await {
            Ok(Line::Value(told)) => Some(told),
            // A keeper that says something else is as good as none.
            Ok(Line::Malformed(_) | Line::End) | Err(_) => None,
        }
    }

    /// Sends an order. When the keeper is gone [`Self::next`] tells.
    pub(crate) async fn order(&mut self, order: &Order) {
        drop(line::write(&mut self.writer, order).await);
    }

    /// Waits until the keeper has ended, after [`Order::End`].
    pub(crate) async fn ended(&mut self) -> Result<(), SuperviseError> {
        if let Some(handle) = self.keeper.handle()? {
            handle.ended().await?;
        }
        self.reap();
        Ok(())
    }

    /// Takes the status of a keeper that ended, if it was our child.
    pub(crate) fn reap(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.try_wait());
        }
    }
}

fn keeper(directory: &StackDir) -> Launch {
    Launch {
        argv: vec![
            spawn::own_program().to_string(),
            "supervise".to_owned(),
            "--keeper".to_owned(),
            directory.path().to_string(),
        ],
        cwd: "/".into(),
        env: vec![(env_names::SUPERVISOR.to_owned(), directory.mark().to_owned())],
        run_as: None,
        cgroup: None,
        output: directory.supervisor_log(),
    }
}

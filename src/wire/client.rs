//! Speaks to a supervisor over its Unix socket.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::net::{
    UnixStream,
    unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{
    WireError,
    line::{self, Line, LineReader},
    protocol::{Hello, Members, PROTOCOL, Reply, Request, Until},
    socket,
};
use crate::model::status::{ProcessStatus, StackStatus};

/// A supervisor that does not say hello or answers no plain question within this time is taken for hung.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How often a supervisor that executes itself anew is looked for; it takes some 10 ms.
const RETURN_POLL: Duration = Duration::from_millis(2);

/// A connection to a running supervisor.
#[derive(Debug)]
pub struct Client {
    path: Utf8PathBuf,
    reader: LineReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    hello: Hello,
}

impl Client {
    /// Connects to the supervisor behind the socket at `path`; `None` when there is none. Any version is accepted
    /// here; see [`Self::check_version`].
    ///
    /// # Errors
    /// When it cannot be reached for another reason, or does not say hello.
    pub async fn connect(path: &Utf8Path) -> Result<Option<Self>, WireError> {
        let fail = |source| WireError::Connect { path: path.to_owned(), source };
        let Some(stream) = socket::connect(path).await.map_err(fail)? else { return Ok(None) };
        Self::greet(path, stream).await
    }

    async fn greet(path: &Utf8Path, stream: UnixStream) -> Result<Option<Self>, WireError> {
        let (reader, writer) = stream.into_split();
        let mut reader = LineReader::new(reader);
        match within(path, ANSWER_LIMIT, reader.next::<Hello>()).await {
            Ok(Line::Value(hello)) => Ok(Some(Self { path: path.to_owned(), reader, writer, hello })),
            // It was going away: connections that nobody accepted any more are reset.
            Ok(Line::End) | Err(WireError::Gone { .. }) => Ok(None),
            Ok(Line::Malformed(text)) => Err(WireError::Unexpected { path: path.to_owned(), text }),
            Err(error) => Err(error),
        }
    }

    /// What the supervisor said of itself.
    #[must_use]
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    /// That the supervisor speaks our protocol.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_version(&self) -> Result<(), WireError> {
        if self.hello.protocol == PROTOCOL {
            return Ok(());
        }
        Err(WireError::Version {
            stack: self.hello.stack,
            pid: self.hello.pid,
            theirs: self.hello.version.clone(),
            ours: env!("CARGO_PKG_VERSION"),
        })
    }

    /// How the processes are.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn status(&mut self) -> Result<StackStatus, WireError> {
        self.ask_status(&Request::Status, Some(ANSWER_LIMIT)).await
    }

    /// Has it read `spec.json` again; what changed is being started, stopped and restarted when this returns.
    ///
    /// # Errors
    /// When it refuses or does not answer.
    pub async fn apply(&mut self) -> Result<StackStatus, WireError> {
        self.ask_status(&Request::Apply, Some(ANSWER_LIMIT)).await
    }

    /// Starts processes that do not run; no names mean all that start with the stack.
    ///
    /// # Errors
    /// When a name is unknown or it does not answer. That a process failed is told by the status.
    pub async fn start(&mut self, names: &[String], until: Until) -> Result<StackStatus, WireError> {
        self.ask_status(&Request::Start { names: names.to_vec(), until }, None).await
    }

    /// Stops processes and all their members, and keeps them stopped; no names mean all.
    ///
    /// # Errors
    /// When a name is unknown or it does not answer.
    pub async fn stop(&mut self, names: &[String]) -> Result<StackStatus, WireError> {
        self.ask_status(&Request::Stop { names: names.to_vec() }, None).await
    }

    /// Stops and starts processes; no names mean all that run or failed.
    ///
    /// # Errors
    /// When a name is unknown or it does not answer. That a process failed is told by the status.
    pub async fn restart(&mut self, names: &[String], until: Until) -> Result<StackStatus, WireError> {
        self.ask_status(&Request::Restart { names: names.to_vec(), until }, None).await
    }

    /// The pids of each process.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn members(&mut self) -> Result<Vec<Members>, WireError> {
        match self.ask(&Request::Members, Some(ANSWER_LIMIT)).await? {
            Reply::Members(members) => Ok(members),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Stops the whole stack; returns when nothing of it is left and the supervisor is gone.
    ///
    /// # Errors
    /// When it refuses or goes away in between.
    pub async fn shutdown(mut self) -> Result<(), WireError> {
        match self.ask(&Request::Shutdown, None).await? {
            Reply::Gone => {}
            other => return Err(self.unexpected(&other)),
        }
        self.closed().await
    }

    /// Has the supervisor execute `program` in its place; the processes run on. Returns when the new program answers:
    /// whoever finds nobody in between starts another supervisor, which takes over as well.
    ///
    /// # Errors
    /// When it refuses, or nobody answers afterwards.
    pub async fn reexec(mut self, program: &Utf8Path) -> Result<(), WireError> {
        match self.ask(&Request::Reexec { program: program.to_string() }, Some(ANSWER_LIMIT)).await? {
            Reply::Gone => {}
            other => return Err(self.unexpected(&other)),
        }
        let path = self.path.clone();
        self.closed().await?;
        let answers = async {
            while Self::connect(&path).await?.is_none() {
                tokio::time::sleep(RETURN_POLL).await;
            }
            Ok(())
        };
        tokio::time::timeout(ANSWER_LIMIT, answers)
            .await
            .map_err(|_| WireError::Silent { path: path.clone(), limit: ANSWER_LIMIT })?
    }

    /// Every change from now on; the present state of each process comes first.
    ///
    /// # Errors
    /// When the request cannot be sent.
    pub async fn subscribe(mut self) -> Result<Changes, WireError> {
        self.send(&Request::Subscribe).await?;
        Ok(Changes(self))
    }

    async fn closed(&mut self) -> Result<(), WireError> {
        match within(&self.path, ANSWER_LIMIT, self.reader.next::<Reply>()).await {
            Ok(Line::End) | Err(WireError::Gone { .. }) => Ok(()),
            Ok(Line::Value(reply)) => Err(self.unexpected(&reply)),
            Ok(Line::Malformed(text)) => Err(WireError::Unexpected { path: self.path.clone(), text }),
            Err(error) => Err(error),
        }
    }

    async fn ask_status(&mut self, request: &Request, limit: Option<Duration>) -> Result<StackStatus, WireError> {
        match self.ask(request, limit).await? {
            Reply::Status(status) => Ok(status),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn ask(&mut self, request: &Request, limit: Option<Duration>) -> Result<Reply, WireError> {
        self.send(request).await?;
        self.reply(limit).await
    }

    async fn send(&mut self, request: &Request) -> Result<(), WireError> {
        line::write(&mut self.writer, request).await.map_err(|source| broken(&self.path, source))
    }

    async fn reply(&mut self, limit: Option<Duration>) -> Result<Reply, WireError> {
        let line = match limit {
            Some(limit) => within(&self.path, limit, self.reader.next()).await?,
            None => self.reader.next().await.map_err(|source| broken(&self.path, source))?,
        };
        match line {
            Line::Value(Reply::Refused(refusal)) => Err(refusal.into()),
            Line::Value(reply) => Ok(reply),
            Line::Malformed(text) => Err(WireError::Unexpected { path: self.path.clone(), text }),
            Line::End => Err(WireError::Gone { path: self.path.clone() }),
        }
    }

    fn unexpected(&self, reply: &Reply) -> WireError {
        WireError::Unexpected { path: self.path.clone(), text: format!("{reply:?}") }
    }
}

async fn within<T>(
    path: &Utf8Path,
    limit: Duration,
    work: impl Future<Output = std::io::Result<T>>,
) -> Result<T, WireError> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| WireError::Silent { path: path.to_owned(), limit })?
        .map_err(|source| broken(path, source))
}

/// What a failure to read or write means. One that ends with a request unread resets the connection.
fn broken(path: &Utf8Path, source: std::io::Error) -> WireError {
    let path = path.to_owned();
    match source.kind() {
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => WireError::Gone { path },
        _ => WireError::Io { path, source },
    }
}

/// The changes of a stack's processes.
#[derive(Debug)]
pub struct Changes(Client);

impl Changes {
    /// The next change; `None` when the supervisor went away. May be dropped while it waits.
    ///
    /// # Errors
    /// When the supervisor says something else.
    pub async fn next(&mut self) -> Result<Option<ProcessStatus>, WireError> {
        match self.0.reply(None).await {
            Ok(Reply::Changed(status)) => Ok(Some(status)),
            Ok(other) => Err(self.0.unexpected(&other)),
            Err(WireError::Gone { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

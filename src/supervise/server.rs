//! The control socket of a supervisor: one task a connection, which understands lines and nothing else.

use std::os::unix::net::UnixListener as StdListener;

use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
};

use super::{
    SuperviseError,
    requests::{Asked, BEHIND},
};
use crate::{
    model::stack::StackName,
    wire::{
        line::{self, Line, LineReader},
        protocol::{Hello, PROTOCOL, Refusal, Reply, Request},
    },
};

/// Connections that are served at once; more have to wait.
const CONNECTIONS: usize = 64;

/// Serves connections for ever.
///
/// # Errors
/// When the listener cannot be used.
pub(super) async fn serve(
    listener: StdListener,
    stack: StackName,
    asks: mpsc::Sender<Asked>,
) -> Result<(), std::io::Error> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let seats = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = std::sync::Arc::clone(&seats).acquire_owned().await else { return Ok(()) };
        let (stream, _) = listener.accept().await?;
        let asks = asks.clone();
        tokio::spawn(async move {
            // Whatever goes wrong on one connection ends that connection.
            drop(converse(stream, stack, asks).await);
            drop(seat);
        });
    }
}

async fn converse(stream: UnixStream, stack: StackName, asks: mpsc::Sender<Asked>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = LineReader::new(reader);
    let hello =
        Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), stack, pid: std::process::id() };
    line::write(&mut writer, &hello).await?;
    loop {
        let request = match reader.next::<Request>().await? {
            Line::Value(request) => request,
            Line::Malformed(why) => {
                line::write(&mut writer, &Reply::Refused(Refusal::Malformed(why))).await?;
                continue;
            }
            Line::End => return Ok(()),
        };
        let stream = request == Request::Subscribe;
        let (reply, mut replies) = mpsc::channel(if stream { BEHIND } else { 1 });
        if asks.send(Asked { request, reply }).await.is_err() {
            return Ok(());
        }
        loop {
            tokio::select! {
                reply = replies.recv() => match reply {
                    Some(reply) => {
                        line::write(&mut writer, &reply).await?;
                        if reply == Reply::Gone {
                            return Ok(());
                        }
                        if !stream {
                            break;
                        }
                    }
                    None => return Ok(()),
                },
                // While an answer is awaited nothing more is expected but the end.
                line = reader.next::<Request>() => match line? {
                    Line::End => return Ok(()),
                    Line::Value(_) | Line::Malformed(_) => {
                        let why = "a request before the answer to the one before".to_owned();
                        line::write(&mut writer, &Reply::Refused(Refusal::Malformed(why))).await?;
                        return Ok(());
                    }
                },
            }
        }
    }
}

/// Listens on the control socket of `directory`.
///
/// # Errors
/// When it cannot be bound.
pub(super) fn listen(directory: &crate::config::paths::StackDir) -> Result<StdListener, SuperviseError> {
    let path = directory.socket();
    crate::wire::socket::listen(&path).map_err(|source| SuperviseError::Socket { path, source })
}

//! Receives mail: one task a connection.

mod auth;
mod dots;
mod line;
mod receive;
mod session;
mod trace;

use std::sync::Arc;

use tokio::{io::AsyncWriteExt as _, net::TcpListener, sync::Semaphore};

use super::{limits, store::Store};
use crate::output::printer::Printer;

/// Serves SMTP on `listener` until dropped.
pub(super) async fn serve(listener: TcpListener, store: Arc<Store>, printer: Printer) {
    let free = Arc::new(Semaphore::new(limits::SMTP_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (mut stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                printer.tell(format_args!("cannot accept a connection: {error}"));
                // Out of descriptors: a connection that ends gives some back.
                if connections.join_next().await.is_none() {
                    tokio::task::yield_now().await;
                }
                continue;
            }
        };
        match free.clone().try_acquire_owned() {
            Ok(permit) => {
                let (store, printer) = (store.clone(), printer.clone());
                connections.spawn(async move {
                    // A client that goes away in the middle has nobody to tell.
                    drop(session::run(stream, peer.ip(), store, printer).await);
                    drop(permit);
                });
            }
            Err(_) => {
                connections.spawn(async move {
                    drop(stream.write_all(b"421 4.7.0 Too many connections, try again later\r\n").await);
                });
            }
        }
    }
}

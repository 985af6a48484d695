//! The process: both ports, until SIGTERM.

use std::{net::Ipv4Addr, sync::Arc};

use camino::Utf8PathBuf;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{MailError, smtp, store::Store, web};
use crate::output::printer::Printer;

/// Serves SMTP on `smtp_port` and API and page on `web_port`, both of 127.0.0.1, with its data at `root`. Prints `ready`
/// to stderr when both are open; returns after SIGTERM or SIGINT.
///
/// # Errors
/// When a port is taken or the data cannot be used.
pub async fn serve(root: Utf8PathBuf, smtp_port: u16, web_port: u16, printer: Printer) -> Result<(), MailError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(MailError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(MailError::Runtime)?;
    // The ports first: whoever has them owns the data, so that a second process never touches it.
    let mail = listen(smtp_port, "SMTP").await?;
    let pages = listen(web_port, "web").await?;
    let store = Arc::new(Store::open(root)?);
    let watch = super::watch::logins(&store)?;
    printer.tell("ready");
    tokio::select! {
        () = smtp::serve(mail, store.clone(), printer.clone()) => {}
        () = web::serve(pages, store.clone(), printer.clone()) => {}
        () = watch => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn listen(port: u16, what: &'static str) -> Result<TcpListener, MailError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => MailError::PortTaken { port, what },
        _ => MailError::Listen { port, what, source },
    })
}

//! Listens, serves connections, ends cleanly.

use std::{future::Future, net::Ipv4Addr, sync::Arc, time::Duration};

use camino::Utf8PathBuf;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use super::{ServeError, console::Console, http::S3Http, maintenance, roots::Roots};
use crate::{output::printer::Printer, process::memory};

/// How long requests that run at SIGTERM may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long a connection may be idle or take to send its headers.
const HEADERS: Duration = Duration::from_secs(75);
/// Worker threads for disk work at once.
const WORKERS: usize = 64;
/// How long an idle worker thread stays.
const WORKER_IDLE: Duration = Duration::from_secs(2);

/// What `serve s3` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of keys and roots.
    pub root: Utf8PathBuf,
    /// Port of the S3 API.
    pub port: u16,
    /// Port of the object browser.
    pub console_port: u16,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When the service cannot start.
pub fn serve(options: &Options, printer: &Printer) -> Result<(), ServeError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(WORKERS).thread_keep_alive(WORKER_IDLE);
    let runtime = memory::trimmed(&mut builder).map_err(ServeError::Runtime)?;
    runtime.block_on(run(options, printer))
}

async fn run(options: &Options, printer: &Printer) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
    let roots = Arc::new(Roots::new(&options.root));
    for directory in [roots.keys().directory(), roots.directory()] {
        fs_err::create_dir_all(directory)
            .map_err(|source| ServeError::Create { path: directory.to_owned(), source })?;
    }
    let (s3, console) = (listen(options.port).await?, listen(options.console_port).await?);
    let s3_http = Arc::new(S3Http::new(Arc::clone(&roots), printer.clone()));
    let console_http = Arc::new(Console::new(Arc::clone(&roots)));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let maintenance = tokio::spawn(maintenance::run(Arc::clone(&roots), printer.clone()));
    printer.tell("ready");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            stream = accept(&s3, printer) => {
                let http = Arc::clone(&s3_http);
                connections.spawn(connection(stream, stopped.clone(), move |request| {
                    let http = Arc::clone(&http);
                    async move { http.answer(request).await }
                }));
            }
            stream = accept(&console, printer) => {
                let http = Arc::clone(&console_http);
                connections.spawn(connection(stream, stopped.clone(), move |request| {
                    let http = Arc::clone(&http);
                    async move { http.answer(request).await }
                }));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop((s3, console, stop));
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        printer.tell("s3: requests that took too long were cut off");
    }
    maintenance.abort();
    roots.close();
    Ok(())
}

async fn listen(port: u16) -> Result<TcpListener, ServeError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            ServeError::PortTaken { port, source }
        } else {
            ServeError::Listen { port, source }
        }
    })
}

/// The next connection. Failures to accept (no descriptors left) pass; the pause keeps them from filling the log.
async fn accept(listener: &TcpListener, printer: &Printer) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                printer.tell(format_args!("s3: cannot accept: {error}"));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Serves one connection; after the stop it ends with the request that runs.
async fn connection<A: Future<Output = Response<s3s::Body>> + Send>(
    stream: TcpStream,
    mut stopped: watch::Receiver<()>,
    answer: impl Fn(Request<Incoming>) -> A + Send + Sync,
) {
    // Small answers must not wait for the acknowledgement of the one before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let finished = tokio::select! {
        finished = connection.as_mut() => Some(finished),
        _ = stopped.changed() => None,
    };
    if finished.is_none() {
        connection.as_mut().graceful_shutdown();
        // A client that breaks off is its own affair.
        drop(connection.await);
    }
}

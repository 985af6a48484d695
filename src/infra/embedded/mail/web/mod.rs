//! API, events and page. Every request passes `guard` (host, origin) and `session` (who asks) before a handler sees it,
//! and a handler only ever gets the [`View`](super::store::View) of who asks.

mod answer;
mod events;
mod guard;
mod info;
mod message;
mod messages;
mod page;
mod session;
mod tags;

use std::{convert::Infallible, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::Request,
    middleware,
    routing::{get, put},
};
use hyper::{body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{limits, store::Store};
use crate::output::printer::Printer;

/// What every handler shares.
#[derive(Debug)]
struct Shared {
    store: Arc<Store>,
    started: Instant,
}

type App = Arc<Shared>;

/// Serves on `listener` until dropped.
pub(super) async fn serve(listener: TcpListener, store: Arc<Store>, printer: Printer) {
    let app = Arc::new(Shared { store, started: Instant::now() });
    let service = TowerToHyperService::new(router(&app));
    let free = Arc::new(Semaphore::new(limits::WEB_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                printer.tell(format_args!("cannot accept a connection: {error}"));
                // Out of descriptors: a connection that ends gives some back.
                if connections.join_next().await.is_none() {
                    tokio::task::yield_now().await;
                }
                continue;
            }
        };
        // Over the limit the connection is closed at once: there is nothing to tell an HTTP client that has not asked.
        if let Ok(permit) = free.clone().try_acquire_owned() {
            let service = service.clone();
            connections.spawn(async move {
                connection(stream, service).await;
                drop(permit);
            });
        }
    }
}

async fn connection(stream: TcpStream, service: TowerToHyperService<Router>) {
    let handler = hyper::service::service_fn(move |request: Request<Incoming>| {
        // Before routing: a session's own path in front of the real one is taken off.
        let answer = service.call(session::enter(request.map(Body::new)));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::REQUEST_HEAD)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), handler)
        .with_upgrades()
        .await;
    // A client that goes away in the middle has nobody to tell.
    drop(served);
}

fn router(app: &App) -> Router {
    let private = Router::new()
        .route("/api/v1/info", get(info::info))
        .route("/api/v1/webui", get(info::webui))
        .route("/api/v1/messages", get(messages::list).put(messages::set_read).delete(messages::delete))
        .route("/api/v1/search", get(messages::search).delete(messages::delete_found))
        .route("/api/v1/message/{id}", get(message::message))
        .route("/api/v1/message/{id}/headers", get(message::headers))
        .route("/api/v1/message/{id}/raw", get(message::raw))
        .route("/api/v1/message/{id}/part/{part}", get(message::part))
        .route("/api/v1/tags", get(tags::list).put(tags::set))
        .route("/api/v1/tags/{tag}", put(tags::rename).delete(tags::delete))
        .route("/api/v1/mailboxes", get(info::mailboxes))
        .route("/api/events", get(events::events))
        .route("/view/{name}", get(page::view))
        .route("/search", get(page::page))
        .route("/", get(page::page))
        .route_layer(middleware::from_fn_with_state(app.clone(), session::require));
    Router::new()
        .merge(private)
        .route("/login", get(session::login))
        .route("/page.js", get(page::script))
        .route("/page.css", get(page::style))
        .route("/livez", get(info::alive))
        .route("/readyz", get(info::alive))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(limits::REQUEST_BODY))
        .layer(middleware::from_fn(guard::check))
        .with_state(app.clone())
}

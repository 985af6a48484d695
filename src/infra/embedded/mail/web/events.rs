//! `/api/events`: what happens in the boxes of who asks, as it happens.

use axum::{
    Extension,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use serde_json::json;
use tokio::{sync::broadcast::error::RecvError, time::Instant};

use super::{App, info, session::Viewer};
use crate::infra::embedded::mail::{
    events::{Event, Kind},
    limits,
    store::View,
};

pub(super) async fn events(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Nothing is expected from the client, so little is taken.
    upgrade.max_message_size(4096).on_upgrade(move |socket| async move {
        // A client that goes away has nobody to tell.
        drop(watch(app, viewer, socket).await);
    })
}

async fn watch(app: App, viewer: Viewer, mut socket: WebSocket) -> Result<(), axum::Error> {
    let mut events = app.store.events.subscribe();
    let mut logins = app.store.events.logins();
    let mut ping = tokio::time::interval_at(Instant::now() + limits::PING, limits::PING);
    let mut stats = Some(Instant::now() + limits::STATS);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                // The login is asked again before anything is given out.
                Ok(event) if viewer.view.sees(&event.mailbox) => {
                    if !app.store.users.holds(&viewer.login) {
                        return close(socket).await;
                    }
                    if let Some(text) = frame(&event, &viewer.view) {
                        socket.send(Message::Text(text.into())).await?;
                    }
                    stats.get_or_insert_with(|| Instant::now() + limits::STATS);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_) | RecvError::Closed) => return close(socket).await,
            },
            Ok(()) = logins.changed() => {
                if !app.store.users.holds(&viewer.login) {
                    return close(socket).await;
                }
            }
            () = tokio::time::sleep_until(stats.unwrap_or_else(Instant::now)), if stats.is_some() => {
                stats = None;
                let view = viewer.view.clone();
                if let Ok((total, unread)) = app.store.run(move |store| store.totals(&view)).await {
                    let data = json!({ "Total": total, "Unread": unread, "Version": info::VERSION });
                    let text = json!({ "Type": "stats", "Data": data }).to_string();
                    socket.send(Message::Text(text.into())).await?;
                }
            }
            _ = ping.tick() => socket.send(Message::Ping("".into())).await?,
            message = socket.recv() => match message {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}

/// What a client with this view is told of an event.
fn frame(event: &Event, view: &View) -> Option<String> {
    match (&event.kind, view) {
        (Kind::Frame(text), _) => Some(text.to_string()),
        (Kind::Truncated, View::One(_)) => Some(json!({ "Type": "truncate", "Data": null }).to_string()),
        // Other boxes still have mails.
        (Kind::Truncated, View::All) => Some(json!({ "Type": "prune", "Data": null }).to_string()),
        (Kind::Totals, _) => None,
    }
}

async fn close(mut socket: WebSocket) -> Result<(), axum::Error> {
    socket.send(Message::Close(None)).await
}

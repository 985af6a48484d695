//! What happened, for whoever watches: the web sockets.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use tokio::sync::{broadcast, watch};

use super::limits;

/// One change in one box.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The box it happened in.
    pub(super) mailbox: Arc<str>,
    pub(super) kind: Kind,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A finished frame for the client.
    Frame(Arc<str>),
    /// All mails of the box are gone.
    Truncated,
    /// Nothing to say but new totals.
    Totals,
}

/// The channels of events.
#[derive(Clone, Debug)]
pub(super) struct Events {
    changes: broadcast::Sender<Event>,
    logins: watch::Sender<()>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self { changes: broadcast::Sender::new(limits::EVENTS), logins: watch::Sender::new(()) }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.changes.subscribe()
    }

    /// Tells of an event of type `name` with `data` in `mailbox`.
    pub(super) fn frame(&self, mailbox: &str, name: &str, data: &impl Serialize) {
        if self.changes.receiver_count() > 0 {
            self.send(mailbox, Kind::Frame(json!({ "Type": name, "Data": data }).to_string().into()));
        }
    }

    pub(super) fn send(&self, mailbox: &str, kind: Kind) {
        // Without receivers there is nobody to tell.
        drop(self.changes.send(Event { mailbox: mailbox.into(), kind }));
    }

    /// Changes whenever a user file was written or removed: logins are then to be checked again.
    pub(super) fn logins(&self) -> watch::Receiver<()> {
        self.logins.subscribe()
    }

    /// Tells that a user file changed.
    pub(super) fn logins_changed(&self) {
        self.logins.send_replace(());
    }
}

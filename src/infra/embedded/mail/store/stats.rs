//! Counts what happened since the start, a box.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{Store, View};

/// What happened to the mails of some boxes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::infra::embedded::mail) struct Stats {
    /// Mails kept.
    pub(in crate::infra::embedded::mail) accepted: u64,
    /// Their bytes as stored.
    pub(in crate::infra::embedded::mail) accepted_bytes: u64,
    /// Commands and mails refused.
    pub(in crate::infra::embedded::mail) rejected: u64,
    /// Mails deleted, by request or for room.
    pub(in crate::infra::embedded::mail) deleted: u64,
}

/// The counters of all boxes.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<HashMap<String, Stats>>);

impl Counters {
    pub(super) fn forget(&self, mailbox: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
    }
}

impl Store {
    /// Counts in the box `mailbox`.
    pub(in crate::infra::embedded::mail) fn count(&self, mailbox: &str, add: impl FnOnce(&mut Stats)) {
        let mut counters = self.counters.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(counters.entry(mailbox.to_owned()).or_default());
    }

    /// The sums over the boxes of `view`.
    pub(in crate::infra::embedded::mail) fn stats(&self, view: &View) -> Stats {
        let counters = self.counters.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = Stats::default();
        for (_, one) in counters.iter().filter(|(name, _)| view.sees(name)) {
            sum.accepted += one.accepted;
            sum.accepted_bytes += one.accepted_bytes;
            sum.rejected += one.rejected;
            sum.deleted += one.deleted;
        }
        sum
    }
}

//! Reads the contents that later ones are compared to, on a thread of low priority that then ends.

use std::io;

use tokio::sync::mpsc;

use super::{
    rules::Rules,
    tree::{self, Learned},
};

/// Files whose contents are handed over at once.
const CHUNK: usize = 256;

/// The contents that are being read.
#[derive(Debug)]
pub(super) struct Baseline(mpsc::Receiver<Vec<Learned>>);

impl Baseline {
    /// Begins to read. The thread ends when all is read, or soon after this is dropped.
    pub(super) fn start(rules: Rules) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(4);
        let work = move || {
            // Lowering one's own priority is always allowed, and without it the thread is only less polite.
            let polite = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
            debug_assert_eq!(polite, Ok(()));
            let mut chunk = Vec::with_capacity(CHUNK);
            for learned in rules.walk().filter_map(|entry| tree::learn(&entry)) {
                chunk.push(learned);
                if chunk.len() == CHUNK && sender.blocking_send(std::mem::take(&mut chunk)).is_err() {
                    return;
                }
            }
            // Nobody to take them: the watcher is gone.
            drop(sender.blocking_send(chunk));
        };
        std::thread::Builder::new().name("baseline".to_owned()).spawn(work)?;
        Ok(Self(receiver))
    }

    /// The next contents; `None` when all were read. Waits for ever when there is no baseline any more.
    pub(super) async fn next(baseline: &mut Option<Self>) -> Option<Vec<Learned>> {
        match baseline {
            Some(baseline) => baseline.0.recv().await,
            None => std::future::pending().await,
        }
    }
}

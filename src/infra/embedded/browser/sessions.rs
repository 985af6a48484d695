//! How many sessions run and wait: a cap, a bounded queue, and a time after which waiting ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for sessions.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    places: Arc<Semaphore>,
    most: usize,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
    patience: Duration,
}

/// A place, free again when dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held, not looked at")] OwnedSemaphorePermit);

/// All places are taken and stayed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("{most} sessions run and {waiting} wait")]
    Queue { most: usize, waiting: usize },
    #[error("{most} sessions run and none ended within {} s", patience.as_secs_f32())]
    Patience { most: usize, patience: Duration },
}

impl Sessions {
    /// `most` at once, `most_waiting` in the queue, each for at most `patience`.
    pub(super) fn new(most: usize, most_waiting: usize, patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most, waiting: Arc::default(), most_waiting, patience }
    }

    /// Takes a place, waiting in line for one; dropping the future leaves the line.
    pub(super) async fn take(&self) -> Result<Place, Full> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place(permit));
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _leave = Leave(&self.waiting);
        if waiting >= self.most_waiting {
            return Err(Full::Queue { most: self.most, waiting });
        }
        let permit = tokio::time::timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        // The semaphore is never closed, so an error can only be the time-out.
        permit.ok().and_then(Result::ok).map(Place).ok_or(Full::Patience { most: self.most, patience: self.patience })
    }

    /// Sessions that run.
    pub(super) fn running(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// Requests that wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Sessions at once.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Length of the queue.
    pub(super) const fn most_waiting(&self) -> usize {
        self.most_waiting
    }
}

struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cap_the_queue_and_the_patience_hold() {
        let patience = Duration::from_millis(20);
        let sessions = Sessions::new(1, 1, patience);
        let first = sessions.take().await.expect("a free place");
        assert_eq!((sessions.running(), sessions.waiting()), (1, 0));
        let (second, third) = tokio::join!(sessions.take(), sessions.take());
        assert_eq!(second.map(drop), Err(Full::Patience { most: 1, patience }));
        assert_eq!(third.map(drop), Err(Full::Queue { most: 1, waiting: 1 }));
        assert_eq!(sessions.waiting(), 0);
        let (waited, ()) = tokio::join!(sessions.take(), async { drop(first) });
        waited.expect("the place that became free");
    }
}

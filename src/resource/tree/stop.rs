//! Threads that end when nobody waits for them any more: Ctrl-C drops the future, and the runtime waits for its threads.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Told by [`Guard`].
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tells its threads to stop when it is dropped.
struct Guard(Stop);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.tell();
    }
}

/// Does `work` on a thread of its own. Whoever drops the future has it stop.
pub(super) async fn on_thread<T: Send + 'static, E: From<std::io::Error> + Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let stop = Stop::default();
    let guard = Guard(stop.clone());
    let result = tokio::task::spawn_blocking(move || work(&stop)).await;
    drop(guard);
    result.map_err(|error| E::from(std::io::Error::other(error)))?
}

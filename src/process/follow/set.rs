//! The followers of a stack's processes in one event loop.

use std::{collections::VecDeque, fs::File, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    FollowError,
    one::{Batch, Follower},
};
use crate::{
    config::paths::StackDir,
    process::inotify::{Event, Inotify, ReadFlags, WatchFlags},
};

/// Rest after a batch: output that comes in a stream is taken over in few large batches. The first line after a
/// pause is taken over at once.
const REST: Duration = Duration::from_millis(10);

/// Rest after a failure, such as a full disk.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Follows the output of all processes of a stack.
#[derive(Debug)]
pub struct Followers {
    stack: StackDir,
    inotify: Inotify,
    events: Vec<Event>,
    each: Vec<(i32, Follower)>,
    /// Indices of followers that may have something to take over.
    due: VecDeque<usize>,
    rest_until: Instant,
}

impl Followers {
    /// Follows nothing yet. Must be made inside the event loop; the stack's directory of logs must exist.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance.
    pub fn new(stack: StackDir) -> Result<Self, FollowError> {
        Ok(Self {
            stack,
            inotify: Inotify::new().map_err(FollowError::Watch)?,
            events: Vec::new(),
            each: Vec::new(),
            due: VecDeque::new(),
            rest_until: Instant::now(),
        })
    }

    /// Follows `process` too, from where its last follower stopped. Following it already is no error.
    ///
    /// # Errors
    /// When one of its files cannot be opened or watched.
    pub fn add(&mut self, process: &str) -> Result<(), FollowError> {
        if self.index(process).is_some() {
            return Ok(());
        }
        let follower = Follower::open(&self.stack, process)?;
        let watch = self.watch(&follower)?;
        self.due.push_back(self.each.len());
        self.each.push((watch, follower));
        Ok(())
    }

    /// The raw file of `process` for its stdout and stderr, opened for appending (a path, not a handle of ours, can
    /// be handed on too: [`StackDir::raw_output`]). Call [`Self::ended`] before each new start.
    ///
    /// # Errors
    /// When `process` is followed for the first time and its files cannot be opened, or the raw file cannot.
    pub fn writer(&mut self, process: &str) -> Result<File, FollowError> {
        self.add(process)?;
        match self.index(process) {
            Some(index) => self.each[index].1.writer(),
            None => unreachable!("{process} was added"),
        }
    }

    /// Waits for lines and returns some of them, of one process. Cancelling it loses none. After an error it may be
    /// called again: it goes on where it failed, after a rest.
    ///
    /// # Errors
    /// When a log cannot be written; nothing is lost, the raw file keeps the output.
    pub async fn next(&mut self) -> Result<Batch, FollowError> {
        loop {
            tokio::time::sleep_until(self.rest_until).await;
            while let Some(&index) = self.due.front() {
                match self.each[index].1.take(Timestamp::now(), false) {
                    Ok(batch) if batch.is_empty() => drop(self.due.pop_front()),
                    Ok(batch) => {
                        // More may be there: its turn comes again, after that of the others.
                        self.due.rotate_left(1);
                        self.rest_until = Instant::now() + REST;
                        return Ok(batch);
                    }
                    Err(error) => {
                        self.due.rotate_left(1);
                        self.rest_until = Instant::now() + REST_AFTER_FAILURE;
                        return Err(error);
                    }
                }
            }
            self.inotify.read(&mut self.events).await.map_err(FollowError::Watch)?;
            self.note_events();
        }
    }

    /// Takes over all that `process` wrote, its last half line too. For when it ended and before it is started again.
    ///
    /// # Errors
    /// When a log cannot be written.
    pub fn ended(&mut self, process: &str) -> Result<Vec<Batch>, FollowError> {
        let Some(index) = self.index(process) else { return Ok(Vec::new()) };
        let mut batches = Vec::new();
        loop {
            let batch = self.each[index].1.take(Timestamp::now(), true)?;
            if batch.is_empty() {
                break;
            }
            batches.push(batch);
        }
        self.each[index].1.renew()?;
        self.each[index].0 = self.watch(&self.each[index].1)?;
        Ok(batches)
    }

    /// Follows `process` no longer; its files stay.
    ///
    /// # Errors
    /// When the kernel refuses to end the watch.
    pub fn remove(&mut self, process: &str) -> Result<(), FollowError> {
        let Some(index) = self.index(process) else { return Ok(()) };
        let (watch, _) = self.each.remove(index);
        self.due = (0..self.each.len()).collect();
        self.inotify.unwatch(watch).map_err(FollowError::Watch)
    }

    fn index(&self, process: &str) -> Option<usize> {
        self.each.iter().position(|(_, follower)| follower.process() == process)
    }

    fn watch(&self, follower: &Follower) -> Result<i32, FollowError> {
        self.inotify.watch(follower.raw_path().as_std_path(), WatchFlags::MODIFY).map_err(FollowError::Watch)
    }

    fn note_events(&mut self) {
        for event in self.events.drain(..) {
            if event.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.due = (0..self.each.len()).collect();
                continue;
            }
            let index = self.each.iter().position(|(watch, _)| *watch == event.watch);
            if let Some(index) = index.filter(|index| !self.due.contains(index)) {
                self.due.push_back(index);
            }
        }
    }
}

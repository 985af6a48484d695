//! What comes into the logs of a stack from now on.

use std::time::Duration;

use tokio::time::Instant;

use super::{Line, LogError, by_time, cursor::Cursor, last};
use crate::{
    config::paths::StackDir,
    process::{
        follow::Position,
        inotify::{Event, Inotify, WatchFlags},
    },
};

/// Rest after lines were read, so that a stream of them is read in few large batches.
const REST: Duration = Duration::from_millis(20);

/// How long a follower may leave lines in the raw output until it counts as dead and they are read there.
const STALE: Duration = Duration::from_secs(1);

/// Follows the logs of some processes of a stack, across rotations and deaths of their follower.
#[derive(Debug)]
pub struct Tail {
    stack: StackDir,
    cursors: Vec<Cursor>,
    /// The records as they were at the last look into the raw output.
    marks: Vec<Position>,
    inotify: Inotify,
    events: Vec<Event>,
    rest_until: Instant,
    look: Instant,
}

impl Tail {
    /// The last `count` lines of `processes` together, and what is needed to go on behind them. Must be called inside
    /// the event loop.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn start(stack: &StackDir, processes: &[String], count: usize) -> Result<(Vec<Line>, Self), LogError> {
        let inotify = Inotify::new().map_err(LogError::Watch)?;
        let (mut each, mut cursors) = (Vec::new(), Vec::new());
        for process in processes {
            let (lines, cursor) = last::snapshot(stack, process, count, false)?;
            each.push(lines);
            cursors.push(cursor);
        }
        let marks = cursors.iter().map(Cursor::seen).collect();
        let now = Instant::now();
        let tail = Self {
            stack: stack.clone(),
            cursors,
            marks,
            inotify,
            events: Vec::new(),
            rest_until: now,
            look: now + STALE,
        };
        tail.watch()?;
        Ok((last::newest(each, count), tail))
    }

    /// Waits for lines; `None` when the stack's logs were removed. Cancelling it loses none.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Line>>, LogError> {
        loop {
            tokio::time::sleep_until(self.rest_until).await;
            let stale = self.look <= Instant::now();
            if stale {
                self.look = Instant::now() + STALE;
                if !self.stack.logs().exists() {
                    return Ok(None);
                }
                self.watch()?;
            }
            let mut each = Vec::new();
            for (cursor, mark) in self.cursors.iter_mut().zip(&mut self.marks) {
                let mut lines = cursor.read()?;
                if stale {
                    if lines.is_empty() && cursor.seen() == *mark {
                        lines = cursor.read_raw()?;
                    }
                    *mark = cursor.seen();
                }
                each.push(lines);
            }
            if each.iter().any(|lines| !lines.is_empty()) {
                self.rest_until = Instant::now() + REST;
                return Ok(Some(by_time(each)));
            }
            tokio::select! {
                result = self.inotify.read(&mut self.events) => result.map_err(LogError::Watch)?,
                () = tokio::time::sleep_until(self.look) => {}
            }
            self.events.clear();
        }
    }

    /// Watches the records: they change whenever something came into a log. One that is not there yet is looked for
    /// again later.
    fn watch(&self) -> Result<(), LogError> {
        for path in self.cursors.iter().map(Cursor::record) {
            match self.inotify.watch(path.as_std_path(), WatchFlags::MODIFY) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(LogError::Watch(error)),
            }
        }
        Ok(())
    }
}

//! What becomes of a process whose life is over.

use std::time::Duration;

use super::{Action, FIRST_PAUSE, GIVE_UP, LONGEST_PAUSE, Machine, Next, Phase, STABLE};
use crate::model::{stack::Restart, status::Exit};

impl Machine {
    /// The life is over when its exit was seen and nothing is left.
    pub(super) fn over(&mut self, now: Duration) -> Option<Action> {
        let Phase::Ending { exited: true, cleared: true, next, ready } = &self.phase else { return None };
        match next {
            Next::Idle => {
                self.phase = Phase::Idle { why: None };
                None
            }
            Next::Spawn => self.spawn(),
            Next::Judge => {
                let ready = *ready;
                self.judge(ready, now)
            }
        }
    }

    fn judge(&mut self, ready: Option<Duration>, now: Duration) -> Option<Action> {
        let how = self.last_exit.map_or_else(|| "ended".to_owned(), describe);
        let clean = self.last_exit == Some(Exit::Code(0));
        let again = match self.rules.restart {
            Restart::Always => true,
            Restart::OnFailure => !clean,
            Restart::Never => false,
        };
        if !again {
            self.phase = if clean {
                Phase::Idle { why: Some(how) }
            } else {
                Phase::Failed { why: format!("{how}; it is not restarted by itself"), stuck: false }
            };
            return None;
        }
        if ready.is_some_and(|ready| now.saturating_sub(ready) >= STABLE) {
            self.crashes = 0;
        }
        self.crashed(&how, now)
    }

    pub(super) fn crashed(&mut self, how: &str, now: Duration) -> Option<Action> {
        self.crashes += 1;
        if self.crashes >= GIVE_UP {
            let why = format!("{how}; given up after {} times in a row", self.crashes);
            self.phase = Phase::Failed { why, stuck: false };
            return None;
        }
        let pause = pause(self.crashes);
        if pause.is_zero() {
            return self.spawn();
        }
        let why = format!("{how}; restarted {:.1} s later, time {} of {GIVE_UP}", pause.as_secs_f32(), self.crashes);
        self.phase = Phase::BackOff { until: now + pause, why };
        None
    }
}

/// The pause before the restart after `crashes` ends in a row.
fn pause(crashes: u32) -> Duration {
    match crashes {
        0 | 1 => Duration::ZERO,
        more => FIRST_PAUSE.saturating_mul(1 << (more - 2).min(16)).min(LONGEST_PAUSE),
    }
}

/// An exit in words.
#[must_use]
pub fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with exit code {code}"),
        Exit::Signal(signal) => format!("ended by signal {signal}"),
        Exit::Unknown => "ended while nobody could see how".to_owned(),
    }
}

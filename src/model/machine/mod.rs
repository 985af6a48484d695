//! The life of one supervised process as a pure state machine: (state, event, now) to (state, actions).
//!
//! A *life* is one start of the process, numbered upwards and never used twice. Whoever carries out an action tells the
//! life it was for; an event of a life that is over changes nothing but, at most, the last exit.
//!
//! ```text
//!  Idle ─start─▶ Waiting ─gate open─▶ Spawning ─▶ Running ─stop, restart─▶ Ending ─▶ Idle, Spawning
//!                                        ▲           └─exit─▶ Ending (survivors) ─▶ BackOff, Failed, Idle
//!                                        └───────────────── time ────────────────────┘
//! ```
//!
//! A life is over only when its leader's exit was seen *and* nothing of its group is left; only then may the next begin.

use std::time::Duration;

mod event;
mod judge;
#[cfg(test)]
mod tests;
mod view;

use super::status::Exit;

pub use self::{
    event::{Action, Event, Rules, Saved, Was},
    judge::describe,
};

/// Pause before the second restart in a row; the first one is at once, each further pause is twice the one before.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Ends in a row after which a process is given up: about 6 s of pauses, beyond the 2 s in which infra comes back.
pub const GIVE_UP: u32 = 8;
/// A process that was ready for this long has not failed to start: its ends are counted anew.
pub const STABLE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Idle { why: Option<String> },
    Waiting { gate: String },
    Spawning { then: Then },
    Running { since: Duration, ready: Option<Duration>, late: bool, why: Option<String> },
    Ending { exited: bool, cleared: bool, next: Next, ready: Option<Duration> },
    BackOff { until: Duration, why: String },
    Failed { why: String, stuck: bool },
}

/// What a start in flight turns into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Run,
    Stop,
    Restart,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    Idle,
    Spawn,
    Judge,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    rules: Rules,
    phase: Phase,
    life: u64,
    /// The life that is being started was seen to be ready before it was told to run: its output was quicker.
    early: bool,
    started: bool,
    stopped: bool,
    restarts: u32,
    crashes: u32,
    last_exit: Option<Exit>,
}

impl Machine {
    /// A process that was never started.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Idle { why: None },
            life: 0,
            early: false,
            started: false,
            stopped: false,
            restarts: 0,
            crashes: 0,
            last_exit: None,
        }
    }

    /// A process that an earlier supervisor had and that does not run now.
    #[must_use]
    pub fn resting(rules: Rules, saved: Saved) -> Self {
        let phase = match saved.failed {
            Some(why) => Phase::Failed { why, stuck: false },
            None => Phase::Idle { why: None },
        };
        Self {
            rules,
            phase,
            life: saved.life,
            early: false,
            started: saved.started,
            stopped: saved.stopped,
            restarts: saved.restarts,
            crashes: saved.crashes,
            last_exit: saved.last_exit,
        }
    }

    /// A process that an earlier supervisor started and that runs as `saved.life`.
    #[must_use]
    pub fn running(rules: Rules, saved: &Saved, now: Duration) -> Self {
        let since = saved.since.unwrap_or(now);
        let ready = if rules.ready_within.is_none() { Some(saved.ready.unwrap_or(since)) } else { saved.ready };
        let mut machine = Self::resting(rules, Saved { failed: None, started: true, ..saved.clone() });
        machine.phase = Phase::Running { since, ready, late: false, why: None };
        machine
    }

    /// Other rules from now on.
    pub const fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Number of the present life, or of the last one.
    #[must_use]
    pub const fn life(&self) -> u64 {
        self.life
    }

    /// Takes `event` at `now` and says what is to be done.
    pub fn on(&mut self, event: Event, now: Duration) -> Option<Action> {
        match event {
            Event::Start => self.start(),
            Event::Stop => self.stop(),
            Event::Restart => self.restart(),
            Event::Changed => match self.phase {
                Phase::Spawning { .. } | Phase::Running { .. } | Phase::BackOff { .. } | Phase::Failed { .. } => {
                    self.restart()
                }
                Phase::Ending { next: Next::Judge, .. } => self.restart(),
                Phase::Idle { .. } | Phase::Waiting { .. } | Phase::Ending { .. } => None,
            },
            Event::Gate(gate) => self.gate(gate),
            Event::Tick => self.tick(now),
            Event::Spawned { life }
            | Event::SpawnFailed { life, .. }
            | Event::Cleared { life }
            | Event::Stuck { life, .. }
            | Event::Ready { life }
            | Event::NotReady { life, .. }
            | Event::Exited { life, .. }
                if life != self.life =>
            {
                None
            }
            Event::Spawned { .. } => self.spawned(now),
            Event::SpawnFailed { why, .. } => self.spawn_failed(&why, now),
            Event::Exited { exit, .. } => self.exited(exit, now),
            Event::Cleared { .. } => self.cleared(now),
            Event::Stuck { why, .. } => {
                if matches!(self.phase, Phase::Ending { .. }) {
                    self.phase = Phase::Failed { why, stuck: true };
                }
                None
            }
            Event::Ready { .. } => {
                match &mut self.phase {
                    Phase::Running { ready: ready @ None, why, .. } => {
                        *ready = Some(now);
                        *why = None;
                    }
                    Phase::Spawning { .. } => self.early = true,
                    _ => {}
                }
                None
            }
            Event::NotReady { why: new, .. } => {
                if let Phase::Running { ready: None, why, .. } = &mut self.phase {
                    *why = Some(new);
                }
                None
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "every decision has the same form")]
    fn spawn(&mut self) -> Option<Action> {
        self.life += 1;
        if self.started {
            self.restarts += 1;
        }
        self.started = true;
        self.early = false;
        self.phase = Phase::Spawning { then: Then::Run };
        Some(Action::Spawn { life: self.life })
    }

    fn start(&mut self) -> Option<Action> {
        self.stopped = false;
        match &mut self.phase {
            Phase::Idle { .. } if !self.started => {
                self.phase = Phase::Waiting { gate: String::new() };
                None
            }
            Phase::Idle { .. } | Phase::BackOff { .. } => {
                self.crashes = 0;
                self.spawn()
            }
            Phase::Failed { stuck, .. } => {
                let stuck = *stuck;
                self.crashes = 0;
                self.after_failure(stuck)
            }
            Phase::Spawning { then } => {
                if *then == Then::Stop {
                    *then = Then::Restart;
                }
                None
            }
            Phase::Ending { next, .. } => {
                *next = Next::Spawn;
                None
            }
            Phase::Waiting { .. } | Phase::Running { .. } => None,
        }
    }

    fn after_failure(&mut self, stuck: bool) -> Option<Action> {
        if !stuck {
            return self.spawn();
        }
        self.phase = Phase::Ending { exited: true, cleared: false, next: Next::Spawn, ready: None };
        Some(Action::Clear { life: self.life })
    }

    fn stop(&mut self) -> Option<Action> {
        self.stopped = true;
        match &mut self.phase {
            Phase::Spawning { then } => {
                *then = Then::Stop;
                None
            }
            Phase::Running { .. } => self.end(Next::Idle),
            Phase::Ending { next, .. } => {
                *next = Next::Idle;
                None
            }
            Phase::Idle { .. } | Phase::Waiting { .. } | Phase::BackOff { .. } | Phase::Failed { .. } => {
                self.phase = Phase::Idle { why: None };
                None
            }
        }
    }

    fn restart(&mut self) -> Option<Action> {
        self.stopped = false;
        match &mut self.phase {
            Phase::Running { .. } => {
                self.crashes = 0;
                self.end(Next::Spawn)
            }
            Phase::Spawning { then } => {
                *then = Then::Restart;
                None
            }
            Phase::Idle { .. }
            | Phase::Waiting { .. }
            | Phase::Ending { .. }
            | Phase::BackOff { .. }
            | Phase::Failed { .. } => {
                self.crashes = 0;
                self.start()
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "every decision has the same form")]
    fn end(&mut self, next: Next) -> Option<Action> {
        self.phase = Phase::Ending { exited: false, cleared: false, next, ready: None };
        Some(Action::End { life: self.life })
    }

    fn gate(&mut self, blocker: Option<String>) -> Option<Action> {
        let Phase::Waiting { gate } = &mut self.phase else { return None };
        match blocker {
            Some(name) => {
                *gate = name;
                None
            }
            None => self.spawn(),
        }
    }

    fn spawned(&mut self, now: Duration) -> Option<Action> {
        let Phase::Spawning { then } = self.phase else { return None };
        match then {
            Then::Run => {
                let ready = (self.early || self.rules.ready_within.is_none()).then_some(now);
                self.phase = Phase::Running { since: now, ready, late: false, why: None };
                None
            }
            Then::Stop => self.end(Next::Idle),
            Then::Restart => self.end(Next::Spawn),
        }
    }

    fn spawn_failed(&mut self, why: &str, now: Duration) -> Option<Action> {
        let Phase::Spawning { then } = self.phase else { return None };
        match then {
            Then::Run => self.crashed(why, now),
            Then::Stop => {
                self.phase = Phase::Idle { why: None };
                None
            }
            Then::Restart => self.spawn(),
        }
    }

    fn exited(&mut self, exit: Exit, now: Duration) -> Option<Action> {
        match &mut self.phase {
            Phase::Running { ready, .. } => {
                let ready = *ready;
                self.last_exit = Some(exit);
                self.phase = Phase::Ending { exited: true, cleared: false, next: Next::Judge, ready };
                Some(Action::Clear { life: self.life })
            }
            Phase::Ending { exited, .. } if !*exited => {
                *exited = true;
                self.last_exit = Some(exit);
                self.over(now)
            }
            Phase::Failed { stuck: true, .. } => {
                self.last_exit = Some(exit);
                None
            }
            _ => None,
        }
    }

    fn cleared(&mut self, now: Duration) -> Option<Action> {
        if let Phase::Ending { cleared, .. } = &mut self.phase {
            *cleared = true;
            return self.over(now);
        }
        None
    }

    fn tick(&mut self, now: Duration) -> Option<Action> {
        match &mut self.phase {
            Phase::BackOff { until, .. } if *until <= now => self.spawn(),
            Phase::Running { since, ready: None, late, .. } => {
                *late |= self.rules.ready_within.is_some_and(|within| now >= *since + within);
                None
            }
            _ => None,
        }
    }
}

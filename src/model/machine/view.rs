//! What can be seen of a machine.

use std::time::Duration;

use super::{Machine, Next, Phase, Saved, Was, describe};
use crate::model::status::{Exit, ProcessState};

impl Machine {
    /// When [`Event::Tick`] is due.
    #[must_use]
    pub fn wakeup(&self) -> Option<Duration> {
        match &self.phase {
            Phase::BackOff { until, .. } => Some(*until),
            Phase::Running { since, ready: None, late: false, .. } => {
                self.rules.ready_within.map(|within| *since + within)
            }
            _ => None,
        }
    }

    /// The state as it is shown.
    #[must_use]
    pub const fn state(&self) -> ProcessState {
        match &self.phase {
            Phase::Idle { .. } => ProcessState::Stopped,
            Phase::Waiting { .. } => ProcessState::Waiting,
            Phase::Running { ready: Some(_), .. } => ProcessState::Ready,
            Phase::Running { late: true, .. } => ProcessState::Unready,
            Phase::Running { .. } | Phase::Spawning { .. } => ProcessState::Starting,
            Phase::Ending { next: Next::Judge, .. } | Phase::BackOff { .. } => ProcessState::BackOff,
            Phase::Ending { .. } => ProcessState::Stopping,
            Phase::Failed { .. } => ProcessState::Failed,
        }
    }

    /// Why it is in this state.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match &self.phase {
            Phase::Idle { why } => why.clone(),
            Phase::Waiting { gate } => Some(format!("waits for {gate}")).filter(|_| !gate.is_empty()),
            Phase::Running { ready: None, why, .. } => why.as_ref().map(|why| format!("not ready: {why}")),
            Phase::Ending { next: Next::Judge, .. } => self.last_exit.map(describe),
            Phase::Running { .. } | Phase::Spawning { .. } | Phase::Ending { .. } => None,
            Phase::BackOff { why, .. } | Phase::Failed { why, .. } => Some(why.clone()),
        }
    }

    /// The process it waits for before its first start.
    #[must_use]
    pub fn waits_for(&self) -> Option<&str> {
        if let Phase::Waiting { gate } = &self.phase { Some(gate) } else { None }
    }

    /// Whether its leader runs (or is about to end).
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. } | Phase::Ending { exited: false, .. })
    }

    /// Whether a start or an end is in the works.
    #[must_use]
    pub const fn is_moving(&self) -> bool {
        matches!(self.phase, Phase::Spawning { .. } | Phase::Ending { .. })
    }

    /// Whether a start is in flight.
    #[must_use]
    pub const fn is_spawning(&self) -> bool {
        matches!(self.phase, Phase::Spawning { .. })
    }

    /// Whether its check is still to pass.
    #[must_use]
    pub const fn wants_probe(&self) -> bool {
        matches!(self.phase, Phase::Running { ready: None, .. })
    }

    /// Whether a line of its output may make it ready: its check is still to pass, or its start is in flight, and its
    /// first line may come before the news of that.
    #[must_use]
    pub const fn awaits_line(&self) -> bool {
        self.wants_probe() || self.is_spawning()
    }

    /// Whether a change of its files is of interest: it runs, or would if it did not fail.
    #[must_use]
    pub const fn wants_watch(&self) -> bool {
        match &self.phase {
            Phase::Idle { .. } | Phase::Waiting { .. } | Phase::Ending { next: Next::Idle, .. } => false,
            Phase::Spawning { .. }
            | Phase::Running { .. }
            | Phase::Ending { .. }
            | Phase::BackOff { .. }
            | Phase::Failed { .. } => true,
        }
    }

    /// From start to ready of the running life.
    #[must_use]
    pub fn ready_after(&self) -> Option<Duration> {
        if let Phase::Running { since, ready: Some(ready), .. } = self.phase {
            return Some(ready.saturating_sub(since));
        }
        None
    }

    /// How it ended last.
    #[must_use]
    pub const fn last_exit(&self) -> Option<Exit> {
        self.last_exit
    }

    /// Starts after the first.
    #[must_use]
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// What the next supervisor must know.
    #[must_use]
    pub fn save(&self) -> Saved {
        let (since, ready) = match self.phase {
            Phase::Running { since, ready, .. } => (Some(since), ready),
            Phase::Ending { next: Next::Judge, ready, .. } => (None, ready),
            _ => (None, None),
        };
        let was = match &self.phase {
            Phase::Idle { .. } | Phase::Failed { .. } => Was::Resting,
            Phase::Waiting { .. } | Phase::Spawning { .. } | Phase::BackOff { .. } => Was::Wanted,
            Phase::Running { .. } | Phase::Ending { next: Next::Judge, .. } => Was::Running,
            Phase::Ending { next: Next::Idle, .. } => Was::Stopping,
            Phase::Ending { next: Next::Spawn, .. } => Was::Restarting,
        };
        let failed = if let Phase::Failed { why, .. } = &self.phase { Some(why.clone()) } else { None };
        Saved {
            life: self.life,
            was,
            stopped: self.stopped,
            restarts: self.restarts,
            started: self.started,
            crashes: self.crashes,
            last_exit: self.last_exit,
            since,
            ready,
            failed,
        }
    }
}

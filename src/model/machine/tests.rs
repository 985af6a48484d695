//! The machine by cases, and by any sequence of events.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::model::{stack::Restart, status::ProcessState};

const AT_ONCE: Rules = Rules { ready_within: None, restart: Restart::Always };
const CHECKED: Rules = Rules { ready_within: Some(Duration::from_secs(20)), restart: Restart::Always };

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Brings a machine to its first running life at second 0.
fn running(rules: Rules) -> Machine {
    let mut machine = Machine::new(rules);
    assert_eq!(machine.on(Event::Start, at(0.0)), None);
    assert_eq!(machine.state(), ProcessState::Waiting);
    assert_eq!(machine.on(Event::Gate(None), at(0.0)), Some(Action::Spawn { life: 1 }));
    assert_eq!(machine.on(Event::Spawned { life: 1 }, at(0.0)), None);
    machine
}

/// The present life ends by itself and nothing is left of it.
fn crash(machine: &mut Machine, exit: Exit, now: f64) -> Option<Action> {
    let life = machine.life();
    assert_eq!(machine.on(Event::Exited { life, exit }, at(now)), Some(Action::Clear { life }));
    machine.on(Event::Cleared { life }, at(now))
}

#[test]
fn a_process_waits_for_those_it_comes_after() {
    let mut machine = Machine::new(AT_ONCE);
    machine.on(Event::Start, at(0.0));
    machine.on(Event::Gate(Some("api".to_owned())), at(0.0));
    assert_eq!((machine.state(), machine.reason().as_deref()), (ProcessState::Waiting, Some("waits for api")));
    assert_eq!(machine.on(Event::Gate(None), at(9.0)), Some(Action::Spawn { life: 1 }));
}

#[test]
fn without_a_check_it_is_ready_as_soon_as_it_runs() {
    assert_eq!(running(AT_ONCE).state(), ProcessState::Ready);
}

#[test]
fn late_is_unready_and_may_still_become_ready() {
    let mut machine = running(CHECKED);
    assert_eq!((machine.state(), machine.wakeup()), (ProcessState::Starting, Some(at(20.0))));
    machine.on(Event::NotReady { life: 1, why: "connection refused".to_owned() }, at(1.0));
    machine.on(Event::Tick, at(20.0));
    assert_eq!(machine.state(), ProcessState::Unready);
    assert_eq!(machine.reason().as_deref(), Some("not ready: connection refused"));
    assert_eq!(machine.wakeup(), None, "nothing more is due");
    machine.on(Event::Ready { life: 1 }, at(21.5));
    assert_eq!((machine.state(), machine.ready_after()), (ProcessState::Ready, Some(at(21.5))));
}

#[test]
fn output_that_is_quicker_than_the_news_of_the_start_counts() {
    let mut machine = Machine::new(CHECKED);
    machine.on(Event::Start, at(0.0));
    assert_eq!(machine.on(Event::Gate(None), at(0.0)), Some(Action::Spawn { life: 1 }));
    machine.on(Event::Ready { life: 1 }, at(0.01));
    machine.on(Event::Spawned { life: 1 }, at(0.02));
    assert_eq!(machine.state(), ProcessState::Ready);
    // It says nothing of the next life.
    crash(&mut machine, Exit::Code(1), 1.0);
    machine.on(Event::Spawned { life: 2 }, at(1.1));
    assert_eq!(machine.state(), ProcessState::Starting);
}

#[test]
fn a_crash_loop_is_paused_longer_and_longer_and_given_up() {
    let mut machine = running(AT_ONCE);
    let mut now = 1.0;
    let mut pauses = Vec::new();
    loop {
        let action = crash(&mut machine, Exit::Code(1), now);
        if machine.state() == ProcessState::Failed {
            assert_eq!(action, None);
            break;
        }
        let due = machine.wakeup().map_or(now, |due| due.as_secs_f64());
        pauses.push(((due - now) * 10.0).round() / 10.0);
        let action = action.or_else(|| machine.on(Event::Tick, at(due)));
        assert_eq!(action, Some(Action::Spawn { life: machine.life() }));
        now = due;
        machine.on(Event::Spawned { life: machine.life() }, at(now));
    }
    assert_eq!(pauses, [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]);
    assert_eq!(machine.reason().as_deref(), Some("ended with exit code 1; given up after 8 times in a row"));
    assert_eq!(machine.on(Event::Restart, at(60.0)), Some(Action::Spawn { life: 9 }), "somebody may ask again");
}

#[test]
fn a_stable_process_has_its_crashes_counted_anew() {
    let mut machine = running(AT_ONCE);
    for round in 0..20 {
        let now = f64::from(round) * 11.0 + 10.5;
        let life = machine.life() + 1;
        assert_eq!(crash(&mut machine, Exit::Signal(9), now), Some(Action::Spawn { life }), "at once");
        machine.on(Event::Spawned { life }, at(now));
    }
    assert_eq!(machine.restarts(), 20);
}

#[rstest]
#[case(Restart::Always, Exit::Code(0), ProcessState::Starting)]
#[case(Restart::Always, Exit::Signal(9), ProcessState::Starting)]
#[case(Restart::OnFailure, Exit::Code(0), ProcessState::Stopped)]
#[case(Restart::OnFailure, Exit::Code(1), ProcessState::Starting)]
#[case(Restart::OnFailure, Exit::Unknown, ProcessState::Starting)]
#[case(Restart::Never, Exit::Code(0), ProcessState::Stopped)]
#[case(Restart::Never, Exit::Code(3), ProcessState::Failed)]
#[case(Restart::Never, Exit::Signal(11), ProcessState::Failed)]
fn what_happens_when_it_ends(#[case] restart: Restart, #[case] exit: Exit, #[case] expected: ProcessState) {
    let mut machine = running(Rules { restart, ..AT_ONCE });
    crash(&mut machine, exit, 1.0);
    assert_eq!(machine.state(), expected);
}

#[test]
fn a_program_that_cannot_be_executed_is_a_crash() {
    let mut machine = Machine::new(AT_ONCE);
    machine.on(Event::Start, at(0.0));
    machine.on(Event::Gate(None), at(0.0));
    for life in 1..8 {
        machine.on(Event::SpawnFailed { life, why: "cannot execute x".to_owned() }, at(0.0));
        machine.on(Event::Tick, at(100.0));
    }
    machine.on(Event::SpawnFailed { life: 8, why: "cannot execute x".to_owned() }, at(0.0));
    assert_eq!(machine.reason().as_deref(), Some("cannot execute x; given up after 8 times in a row"));
}

#[test]
fn the_next_life_waits_for_exit_and_survivors() {
    let mut machine = running(AT_ONCE);
    assert_eq!(machine.on(Event::Restart, at(1.0)), Some(Action::End { life: 1 }));
    assert_eq!(machine.on(Event::Cleared { life: 1 }, at(1.1)), None);
    assert_eq!(machine.state(), ProcessState::Stopping);
    let exited = Event::Exited { life: 1, exit: Exit::Signal(15) };
    assert_eq!(machine.on(exited, at(1.1)), Some(Action::Spawn { life: 2 }));
}

#[test]
fn what_is_stuck_is_cleared_again_before_the_next_start() {
    let mut machine = running(AT_ONCE);
    machine.on(Event::Stop, at(1.0));
    machine.on(Event::Stuck { life: 1, why: "processes [7] do not end".to_owned() }, at(2.0));
    assert_eq!(machine.state(), ProcessState::Failed);
    assert_eq!(machine.on(Event::Start, at(3.0)), Some(Action::Clear { life: 1 }));
    assert_eq!(machine.on(Event::Cleared { life: 1 }, at(3.0)), Some(Action::Spawn { life: 2 }));
}

#[test]
fn a_change_restarts_what_runs_or_crashed_and_nothing_else() {
    let mut machine = running(AT_ONCE);
    assert_eq!(machine.on(Event::Changed, at(1.0)), Some(Action::End { life: 1 }));
    let mut machine = running(Rules { restart: Restart::Never, ..AT_ONCE });
    crash(&mut machine, Exit::Code(1), 1.0);
    assert_eq!(machine.on(Event::Changed, at(2.0)), Some(Action::Spawn { life: 2 }));
    let mut machine = running(AT_ONCE);
    machine.on(Event::Stop, at(1.0));
    assert_eq!(machine.on(Event::Changed, at(1.0)), None);
}

#[test]
fn a_life_that_is_over_is_not_listened_to() {
    let mut machine = running(AT_ONCE);
    crash(&mut machine, Exit::Code(1), 1.0);
    machine.on(Event::Spawned { life: 2 }, at(1.0));
    let before = machine.clone();
    for event in [
        Event::Exited { life: 1, exit: Exit::Code(0) },
        Event::Cleared { life: 1 },
        Event::Stuck { life: 1, why: String::new() },
        Event::Ready { life: 1 },
    ] {
        assert_eq!(machine.on(event, at(2.0)), None);
    }
    assert_eq!(machine, before);
}

/// A world that answers the machine's actions some time, in any order, and ends processes by itself.
#[derive(Default)]
struct Outside {
    /// The leader that runs.
    leader: Option<u64>,
    /// Lives of which something is there.
    group: Vec<u64>,
    /// Answers that are on their way.
    answers: Vec<Event>,
}

impl Outside {
    fn act(&mut self, action: Option<Action>) -> Result<(), TestCaseError> {
        match action {
            Some(Action::Spawn { life }) => {
                prop_assert_eq!(self.leader, None, "started while the leader before runs");
                prop_assert!(self.group.is_empty(), "started while {:?} is left", &self.group);
                self.answers.push(Event::Spawned { life });
                self.leader = Some(life);
                self.group.push(life);
            }
            Some(Action::End { life }) => {
                prop_assert!(self.leader == Some(life) || !self.answers.is_empty(), "a stale life is ended");
                if self.leader.take().is_some() {
                    self.answers.push(Event::Exited { life, exit: Exit::Signal(15) });
                }
                self.answers.push(Event::Cleared { life });
            }
            Some(Action::Clear { life }) => {
                prop_assert_eq!(self.leader, None);
                self.answers.push(Event::Cleared { life });
            }
            None => {}
        }
        Ok(())
    }

    fn answer(&mut self, which: usize) -> Option<Event> {
        if self.answers.is_empty() {
            return None;
        }
        // What happens to one life before it was started is told after that.
        let spawned = self.answers.iter().position(|event| matches!(event, Event::Spawned { .. }));
        let event = self.answers.remove(spawned.unwrap_or(which % self.answers.len()));
        if let Event::Cleared { life } = event {
            self.group.retain(|other| *other != life);
        }
        Some(event)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn never_two_at_once_and_stop_always_stops(
        steps in proptest::collection::vec((0_u8..9, any::<usize>()), 0..80),
        checked in any::<bool>(),
    ) {
        let mut machine = Machine::new(if checked { CHECKED } else { AT_ONCE });
        let mut outside = Outside::default();
        let mut now = Duration::ZERO;
        for (step, which) in steps {
            now += Duration::from_millis(700);
            let event = match step {
                0 => Some(Event::Start),
                1 => Some(Event::Stop),
                2 => Some(Event::Restart),
                3 => Some(Event::Changed),
                4 => Some(Event::Gate(None)),
                5 => Some(Event::Tick),
                6 if !outside.answers.iter().any(|event| matches!(event, Event::Spawned { .. })) => {
                    outside.leader.take().map(|life| Event::Exited { life, exit: Exit::Code(1) })
                }
                7 => Some(Event::Ready { life: machine.life() }),
                _ => outside.answer(which),
            };
            if let Some(event) = event {
                let action = machine.on(event, now);
                outside.act(action)?;
            }
        }
        let action = machine.on(Event::Stop, now);
        outside.act(action)?;
        while let Some(event) = outside.answer(0) {
            let action = machine.on(event, now);
            outside.act(action)?;
        }
        prop_assert_eq!(machine.state(), ProcessState::Stopped);
        prop_assert_eq!(outside.leader, None);
        prop_assert!(outside.group.is_empty());
        prop_assert_eq!(machine.wakeup(), None);
    }
}

//! One process: carries out what its machine decides.

use jiff::Timestamp;
use regex::bytes::Regex;
use tokio::{sync::mpsc::UnboundedSender, task::JoinHandle};

use super::{SuperviseError, note, ready, record};
use crate::{
    config::{env_names, paths::StackDir},
    model::{
        machine::{Event, Machine, Rules},
        stack::{ProcessSpec, ReadyCheck, Stop},
        status::ProcessStatus,
    },
    process::{
        cgroup::Cgroup,
        group::{self, Traces},
        identity::{Handle, Identity},
        spawn::Launch,
    },
    supervise::watch::Watcher,
};

/// Where tasks report: the name of the process and what happened to it.
pub(super) type Reports = UnboundedSender<(String, Event)>;

/// Longest grace for what is left of a life whose leader ended by itself.
const SURVIVOR_GRACE: std::time::Duration = std::time::Duration::from_millis(300);

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn run(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One process of the stack.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) spec: ProcessSpec,
    pub(super) machine: Machine,
    /// The leader of the present life, as long as anything of it may be there.
    pub(super) leader: Option<Identity>,
    /// When that was started.
    pub(super) started: Option<Timestamp>,
    /// Digest of what it was started with.
    pub(super) digest: String,
    /// The cgroup of its lives, where there may be one.
    pub(super) cgroup: Option<Cgroup>,
    /// The specification has it no more: it goes as soon as it has ended.
    pub(super) removed: bool,
    /// What a line of output must match.
    pattern: Option<Regex>,
    probe: Option<Task>,
    watch: Option<Task>,
    /// Waits for the end of a leader that is no child of the keeper.
    vigil: Option<Task>,
    ending: Option<Task>,
}

/// What the machine must know of `spec`.
pub(super) fn rules(spec: &ProcessSpec) -> Rules {
    Rules { ready_within: spec.ready.as_ref().map(|ready| ready.timeout), restart: spec.restart }
}

impl Unit {
    pub(super) fn new(spec: ProcessSpec, machine: Machine) -> Result<Self, SuperviseError> {
        let pattern = pattern(&spec)?;
        let digest = record::digest(&spec);
        Ok(Self {
            spec,
            machine,
            leader: None,
            started: None,
            digest,
            cgroup: None,
            removed: false,
            pattern,
            probe: None,
            watch: None,
            vigil: None,
            ending: None,
        })
    }

    /// Takes another specification; a running process keeps what it was started with.
    pub(super) fn set_spec(&mut self, spec: ProcessSpec) -> Result<(), SuperviseError> {
        self.pattern = pattern(&spec)?;
        self.machine.set_rules(rules(&spec));
        if self.spec.watch != spec.watch {
            self.watch = None;
        }
        if self.spec.ready != spec.ready {
            self.probe = None;
        }
        self.spec = spec;
        Ok(())
    }

    /// How it is to be started.
    pub(super) fn launch(&self, directory: &StackDir) -> Launch {
        let own = [
            (env_names::STACK.to_owned(), directory.mark().to_owned()),
            (env_names::PROCESS.to_owned(), self.spec.name.clone()),
        ];
        let env = self.spec.env.iter().map(|(name, value)| (name.clone(), value.clone())).chain(own).collect();
        Launch {
            argv: self.spec.argv.clone(),
            cwd: self.spec.cwd.clone(),
            env,
            run_as: self.spec.run_as,
            cgroup: self.cgroup.clone(),
            output: directory.raw_output(&self.spec.name),
        }
    }

    /// Watches over the end of a leader that is no child of the keeper: how it ends cannot be known.
    pub(super) fn keep_vigil(&mut self, handle: Handle, reports: &Reports) {
        let (name, life, reports) = (self.spec.name.clone(), self.machine.life(), reports.clone());
        self.vigil = Some(Task::run(async move {
            drop(handle.ended().await);
            let exit = crate::model::status::Exit::Unknown;
            drop(reports.send((name, Event::Exited { life, exit })));
        }));
    }

    /// Ends the present life.
    pub(super) fn end(&mut self, directory: &StackDir, reports: &Reports, leader_ended: bool) {
        let mark = directory.mark().to_owned();
        let output = directory.raw_output(&self.spec.name);
        let (name, leader, life, reports) =
            (self.spec.name.clone(), self.leader.clone(), self.machine.life(), reports.clone());
        let cgroup = self.cgroup.clone();
        let mut stop = self.spec.stop;
        if leader_ended {
            stop = Stop { grace: stop.grace.min(SURVIVOR_GRACE), ..stop };
        }
        self.ending = Some(Task::run(async move {
            let traces = Traces {
                mark: &mark,
                process: Some(&name),
                leader: leader.as_ref(),
                output: Some(&output),
                cgroup: cgroup.as_ref(),
                ancestor: None,
            };
            let event = match group::end(&traces, stop).await {
                Ok(()) => Event::Cleared { life },
                Err(error) => Event::Stuck { life, why: crate::error::Error::from(error).chain() },
            };
            drop(reports.send((name, event)));
        }));
    }

    /// Runs what must run beside the process in its present state, and nothing else.
    pub(super) fn attend(&mut self, reports: &Reports) {
        if !self.machine.wants_probe() {
            self.probe = None;
        } else if self.probe.is_none() && self.pattern.is_none() {
            self.probe = ready::probe(&self.spec, self.machine.life(), reports).map(Task::run);
        }
        if self.machine.wants_watch() {
            if self.watch.is_none() {
                self.watch = self.watcher(reports);
            }
        } else {
            self.watch = None;
        }
        if !self.machine.is_running() {
            self.vigil = None;
        }
    }

    fn watcher(&self, reports: &Reports) -> Option<Task> {
        let watch = self.spec.watch.clone()?;
        let (name, cwd, reports) = (self.spec.name.clone(), self.spec.cwd.clone(), reports.clone());
        Some(Task::run(async move {
            let error = match Watcher::start(&watch, &cwd) {
                Ok(mut watcher) => loop {
                    match watcher.changed().await {
                        Ok(_) => drop(reports.send((name.clone(), Event::Changed))),
                        Err(error) => break error,
                    }
                },
                Err(error) => error,
            };
            // Without watches the process runs all the same; that is better than not at all.
            note(format_args!("{name} is not restarted on change: {}", crate::error::Error::from(error).chain()));
        }))
    }

    /// Whether one of `lines` makes it ready.
    pub(super) fn is_ready_by<'a>(&self, mut lines: impl Iterator<Item = &'a [u8]>) -> bool {
        self.machine.awaits_line()
            && self.pattern.as_ref().is_some_and(|pattern| lines.any(|line| pattern.is_match(line)))
    }

    /// What is not there yet, when a line of output is to make it ready.
    pub(super) fn awaits_line(&self) -> Option<String> {
        self.pattern.as_ref().map(|pattern| format!("no line of output matches {pattern}"))
    }

    pub(super) fn status(&self) -> ProcessStatus {
        let running = self.machine.is_running();
        let pid = self.leader.as_ref().filter(|_| running).map(|leader| leader.pid);
        ProcessStatus {
            name: self.spec.name.clone(),
            state: self.machine.state(),
            pid,
            started: self.started.filter(|_| running),
            ready_after_ms: self.machine.ready_after().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            restarts: self.machine.restarts(),
            last_exit: self.machine.last_exit(),
            reason: self.machine.reason(),
        }
    }
}

fn pattern(spec: &ProcessSpec) -> Result<Option<Regex>, SuperviseError> {
    let Some(ReadyCheck::Log { pattern }) = spec.ready.as_ref().map(|ready| &ready.check) else { return Ok(None) };
    let fail = |source| SuperviseError::Pattern { process: spec.name.clone(), source: Box::new(source) };
    Ok(Some(Regex::new(pattern).map_err(fail)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{
        machine::Action,
        stack::{Ready, Restart, StopSignal},
    };

    #[test]
    fn a_line_counts_from_the_start_on_until_it_is_ready() {
        let ready = Ready { check: ReadyCheck::Log { pattern: "^ready$".to_owned() }, timeout: Duration::from_secs(9) };
        let spec = ProcessSpec {
            name: "x".to_owned(),
            argv: vec!["x".to_owned()],
            cwd: "/".into(),
            env: indexmap::IndexMap::new(),
            run_as: None,
            ready: Some(ready),
            autostart: true,
            after: Vec::new(),
            watch: None,
            restart: Restart::Always,
            stop: Stop { signal: StopSignal::Term, leader_only: false, grace: Duration::ZERO },
        };
        let mut unit = Unit::new(spec.clone(), Machine::new(rules(&spec))).expect("a unit");
        let says = |unit: &Unit, line: &str| unit.is_ready_by(std::iter::once(line.as_bytes()));
        assert!(!says(&unit, "ready"));
        unit.machine.on(Event::Start, Duration::ZERO);
        assert_eq!(unit.machine.on(Event::Gate(None), Duration::ZERO), Some(Action::Spawn { life: 1 }));
        // The process may write before its keeper has told of its start.
        assert!(says(&unit, "ready"));
        assert!(!says(&unit, "not ready"));
        unit.machine.on(Event::Spawned { life: 1 }, Duration::ZERO);
        assert!(says(&unit, "ready"));
        unit.machine.on(Event::Ready { life: 1 }, Duration::ZERO);
        assert!(!says(&unit, "ready"));
    }
}

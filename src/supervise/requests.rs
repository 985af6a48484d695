//! What clients ask of a stack, and when each of them is answered.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{SuperviseError, load_spec, set::Set, unit::Unit};
use crate::{
    error::Error,
    model::{
        machine::{Event, Machine},
        status::{ProcessState, ProcessStatus},
    },
    process::group::Traces,
    wire::protocol::{Members, Refusal, Reply, Request, Until},
};

/// A request and where its answer goes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) reply: mpsc::Sender<Reply>,
}

/// Changes that a subscriber may be behind before it is cut off.
pub(super) const BEHIND: usize = 1024;

/// Who waits for an answer, and who is told of changes.
#[derive(Debug, Default)]
pub(super) struct Desk {
    waiters: Vec<Waiter>,
    subscribers: Vec<mpsc::Sender<Reply>>,
    shown: Vec<ProcessStatus>,
    closers: Vec<mpsc::Sender<Reply>>,
}

#[derive(Debug)]
struct Waiter {
    names: Vec<String>,
    goal: Goal,
    reply: mpsc::Sender<Reply>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Started,
    Settled,
    Stopped,
}

impl From<Until> for Goal {
    fn from(until: Until) -> Self {
        match until {
            Until::Started => Self::Started,
            Until::Settled => Self::Settled,
        }
    }
}

impl Desk {
    /// Tells those who asked for the end that it has come, and lets them hear it.
    pub(super) async fn gone(&mut self) {
        for closer in self.closers.drain(..) {
            send(&closer, Reply::Gone);
            // Closed as soon as it was written. Whoever does not read does not hold up the end.
            drop(tokio::time::timeout(Duration::from_millis(200), closer.closed()).await);
        }
    }
}

/// A client that went away, or does not read, gets no answer.
fn send(reply: &mpsc::Sender<Reply>, answer: Reply) {
    drop(reply.try_send(answer));
}

impl Set {
    /// Does what is asked, or begins it; returns the program to be replaced by, if that is what was asked.
    pub(super) async fn ask(&mut self, Asked { request, reply }: Asked) -> Option<String> {
        if self.closing && !matches!(request, Request::Status | Request::Subscribe | Request::Shutdown) {
            send(&reply, Reply::Refused(Refusal::Failed("the stack is being stopped".to_owned())));
            return None;
        }
        match request {
            Request::Status => send(&reply, Reply::Status(self.status())),
            Request::Members => match self.members() {
                Ok(members) => send(&reply, Reply::Members(members)),
                Err(error) => refuse(&reply, error),
            },
            Request::Subscribe => {
                for unit in self.units.iter().filter(|unit| !unit.removed) {
                    send(&reply, Reply::Changed(unit.status()));
                }
                self.desk.subscribers.push(reply);
            }
            Request::Apply => match self.apply().await {
                Ok(()) => send(&reply, Reply::Status(self.status())),
                Err(error) => {
                    send(&reply, Reply::Refused(Refusal::BadSpec(Error::from(error).chain())));
                }
            },
            Request::Start { names, until } => {
                let all = |unit: &Unit| unit.spec.autostart;
                self.each(names, all, Event::Start, until.into(), reply).await;
            }
            Request::Restart { names, until } => {
                let all = |unit: &Unit| unit.machine.state() != ProcessState::Stopped;
                self.each(names, all, Event::Restart, until.into(), reply).await;
            }
            Request::Stop { names } => self.each(names, |_| true, Event::Stop, Goal::Stopped, reply).await,
            Request::Shutdown => {
                self.desk.closers.push(reply);
                self.begin_close().await;
            }
            Request::Reexec { program } => {
                self.desk.closers.push(reply);
                return Some(program);
            }
        }
        None
    }

    /// Stops everything. The specification goes first: a stack without one is not meant to run, whoever dies now.
    pub(super) async fn begin_close(&mut self) {
        if self.closing {
            return;
        }
        self.closing = true;
        drop(std::fs::remove_file(self.directory.spec()));
        for name in self.names() {
            self.feed(&name, Event::Stop).await;
        }
    }

    fn names(&self) -> Vec<String> {
        self.units.iter().map(|unit| unit.spec.name.clone()).collect()
    }

    async fn each(
        &mut self,
        names: Vec<String>,
        all: impl Fn(&Unit) -> bool,
        event: Event,
        goal: Goal,
        reply: mpsc::Sender<Reply>,
    ) {
        let known = |unit: &&Unit| !unit.removed;
        if let Some(name) = names.iter().find(|name| !self.units.iter().filter(known).any(|u| u.spec.name == **name)) {
            let known = self.units.iter().filter(known).map(|unit| unit.spec.name.clone()).collect();
            send(&reply, Reply::Refused(Refusal::UnknownProcess { name: name.clone(), known }));
            return;
        }
        let names = if names.is_empty() {
            self.units.iter().filter(known).filter(|unit| all(unit)).map(|unit| unit.spec.name.clone()).collect()
        } else {
            names
        };
        for name in &names {
            self.feed(name, event.clone()).await;
        }
        self.desk.waiters.push(Waiter { names, goal, reply });
    }

    fn members(&self) -> Result<Vec<Members>, SuperviseError> {
        let mut all = Vec::new();
        for unit in self.units.iter().filter(|unit| !unit.removed) {
            let output = self.directory.raw_output(&unit.spec.name);
            let traces = Traces {
                mark: self.directory.mark(),
                process: Some(&unit.spec.name),
                leader: unit.leader.as_ref(),
                output: Some(&output),
                cgroup: unit.cgroup.as_ref(),
                ancestor: None,
            };
            let pids = traces.members()?.iter().map(|stat| stat.pid).collect();
            all.push(Members { name: unit.spec.name.clone(), pids });
        }
        Ok(all)
    }

    /// Reads the specification again and makes the stack so. A process that somebody stopped stays stopped.
    async fn apply(&mut self) -> Result<(), SuperviseError> {
        let spec = load_spec(&self.directory)?.ok_or_else(|| SuperviseError::File {
            path: self.directory.spec(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        let mut events = Vec::new();
        for unit in &mut self.units {
            if !spec.processes.iter().any(|process| process.name == unit.spec.name) {
                unit.removed = true;
                events.push((unit.spec.name.clone(), Event::Stop));
            }
        }
        let order: Vec<String> = spec.processes.iter().map(|process| process.name.clone()).collect();
        for process in spec.processes {
            let name = process.name.clone();
            let Some(at) = self.index(&name) else {
                if process.autostart {
                    events.push((name.clone(), Event::Start));
                }
                let machine = Machine::new(super::unit::rules(&process));
                let mut unit = Unit::new(process, machine)?;
                unit.cgroup = self.cgroup_of(&name);
                self.units.push(unit);
                self.followers.add(&name)?;
                continue;
            };
            let unit = &mut self.units[at];
            let back = std::mem::take(&mut unit.removed);
            unit.set_spec(process)?;
            if unit.machine.state() == ProcessState::Stopped {
                if back && unit.spec.autostart {
                    events.push((name, Event::Start));
                }
            } else if back || unit.digest != super::record::digest(&unit.spec) {
                events.push((name, Event::Restart));
            }
        }
        let place = |unit: &Unit| order.iter().position(|name| *name == unit.spec.name).unwrap_or(usize::MAX);
        self.units.sort_by_key(place);
        for (name, event) in events {
            self.feed(&name, event).await;
            if let Some(at) = self.index(&name) {
                self.units[at].attend(&self.reports);
            }
        }
        Ok(())
    }

    /// Answers who has waited long enough and tells the subscribers what changed.
    pub(super) fn answer(&mut self) {
        let waiters = std::mem::take(&mut self.desk.waiters);
        for waiter in waiters {
            if waiter.names.iter().all(|name| self.reached(name, waiter.goal)) {
                send(&waiter.reply, Reply::Status(self.status()));
            } else if !waiter.reply.is_closed() {
                self.desk.waiters.push(waiter);
            }
        }
        let now: Vec<ProcessStatus> = self.units.iter().filter(|unit| !unit.removed).map(Unit::status).collect();
        if now == self.desk.shown {
            return;
        }
        for status in now.iter().filter(|status| !self.desk.shown.contains(status)) {
            self.desk.subscribers.retain(|reply| reply.try_send(Reply::Changed(status.clone())).is_ok());
        }
        self.desk.shown = now;
    }

    fn reached(&self, name: &str, goal: Goal) -> bool {
        let Some(at) = self.index(name) else { return true };
        let unit = &self.units[at];
        match (unit.machine.state(), goal) {
            (ProcessState::Stopped | ProcessState::Failed, _)
            | (ProcessState::Ready | ProcessState::Unready, Goal::Settled) => true,
            (_, Goal::Started) => !unit.machine.is_moving(),
            // It will not come on before somebody does something about those it waits for.
            (ProcessState::Waiting, Goal::Settled) => unit.spec.after.iter().any(|after| {
                let state = self.index(after).map(|at| self.units[at].machine.state());
                state != Some(ProcessState::Ready) && self.reached(after, goal)
            }),
            (_, Goal::Settled | Goal::Stopped) => false,
        }
    }
}

fn refuse(reply: &mpsc::Sender<Reply>, error: SuperviseError) {
    send(reply, Reply::Refused(Refusal::Failed(Error::from(error).chain())));
}

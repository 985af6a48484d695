//! All processes of a stack and the loop that feeds their machines.
//!
//! One owner, one loop: everything that happens (requests, ends, lines, time) arrives here one after another; nothing
//! else changes a machine. Tasks only wait and report.

use std::time::Duration;

use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use super::{
    SuperviseError,
    door::{Door, Knock},
    keeper::{
        link::Link,
        protocol::{Order, Told},
    },
    note,
    record::{self, Entry, Record},
    requests::Desk,
    unit::{Reports, Unit},
};
use crate::{
    config::paths::StackDir,
    model::{
        machine::{Action, Event},
        stack::StackName,
        status::{Exit, StackStatus},
    },
    process::{
        cgroup::Cgroup,
        follow::{Batch, FollowError, Followers},
        group::{self, Traces},
        identity::{self, Identity, since_boot},
        memory,
    },
};

/// The processes of one stack.
pub(super) struct Set {
    pub(super) directory: StackDir,
    pub(super) name: StackName,
    pub(super) units: Vec<Unit>,
    pub(super) link: Link,
    pub(super) followers: Followers,
    pub(super) reports: Reports,
    pub(super) inbox: UnboundedReceiver<(String, Event)>,
    pub(super) record: Record,
    pub(super) desk: Desk,
    pub(super) door: Door,
    /// The stack's cgroup, where there may be one.
    pub(super) cgroup: Option<Cgroup>,
    /// Everything is to stop, and then this supervisor.
    pub(super) closing: bool,
}

/// Why the loop ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The stack is stopped and nothing of it left.
    Closed,
    /// This supervisor was asked to go; the processes live on.
    Left,
    /// This supervisor was asked to execute this program in its place.
    Replaced(String),
}

impl Set {
    /// The cgroup of one process.
    pub(super) fn cgroup_of(&self, name: &str) -> Option<Cgroup> {
        self.cgroup.as_ref().and_then(|cgroup| cgroup.below(name).ok())
    }

    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.units.iter().position(|unit| unit.spec.name == name)
    }

    /// The loop.
    ///
    /// # Errors
    /// When the keeper cannot be had or the record not be written.
    pub(super) async fn serve(&mut self, mut leave: impl AsyncFnMut()) -> Result<End, SuperviseError> {
        // What was only needed to start, or to answer, is given back a little later.
        let mut trim_at = Some(Instant::now() + memory::REST);
        loop {
            self.settle().await?;
            if self.closing && self.units.iter().all(|unit| !unit.machine.is_moving() && !unit.machine.is_running()) {
                self.close().await?;
                return Ok(End::Closed);
            }
            let wakeup = self.units.iter().filter_map(|unit| unit.machine.wakeup()).min();
            tokio::select! {
                () = tokio::time::sleep_until(trim_at.unwrap_or_else(Instant::now)), if trim_at.is_some() => {
                    // Without it everything goes on as well.
                    drop(memory::trim());
                    trim_at = None;
                    continue;
                }
                Some((name, event)) = self.inbox.recv() => self.feed(&name, event).await,
                told = self.link.next() => match told {
                    Some(told) => self.told(told).await,
                    None => self.replace_keeper().await?,
                },
                knock = self.door.next() => match knock {
                    Knock::Asked(asked) => {
                        if let Some(program) = self.ask(asked).await {
                            self.link.order(&Order::Leave).await;
                            return Ok(End::Replaced(program));
                        }
                    }
                    Knock::Lost => self.reopen().await?,
                },
                batch = self.followers.next() => self.lines(batch).await,
                () = until(wakeup) => self.tick().await,
                () = leave() => {
                    self.link.order(&Order::Leave).await;
                    return Ok(End::Left);
                }
            }
            trim_at.get_or_insert_with(|| Instant::now() + memory::REST);
        }
    }

    /// Somebody removed the control socket. If the specification is there, it is made again; else the stack was removed
    /// by force, nobody could ever reach it again, and it ends.
    async fn reopen(&mut self) -> Result<(), SuperviseError> {
        if self.directory.spec().exists() {
            return self.door.reopen();
        }
        self.begin_close().await;
        Ok(())
    }

    /// Gives `event` to the machine of `name` and carries out what it decides.
    pub(super) async fn feed(&mut self, name: &str, event: Event) {
        let Some(at) = self.index(name) else { return };
        let cleared = matches!(event, Event::Cleared { .. });
        let unit = &mut self.units[at];
        let action = unit.machine.on(event, since_boot());
        if cleared && !unit.machine.is_moving() {
            unit.leader = None;
        }
        match action {
            Some(Action::Spawn { life }) => self.spawn(at, life).await,
            Some(Action::End { .. }) => unit.end(&self.directory, &self.reports, false),
            Some(Action::Clear { .. }) => unit.end(&self.directory, &self.reports, true),
            None => {}
        }
        self.units[at].attend(&self.reports);
    }

    async fn spawn(&mut self, at: usize, life: u64) {
        let name = self.units[at].spec.name.clone();
        // The exit of the life before was seen, and nothing of it is left.
        if life > 1 {
            self.link.order(&Order::Forget { name: name.clone(), life: life - 1 }).await;
        }
        // What an earlier life wrote at last is no line of this one.
        if let Err(error) = self.followers.ended(&name).map(drop).and_then(|()| self.followers.add(&name)) {
            let why = crate::error::Error::from(error).chain();
            drop(self.reports.send((name, Event::SpawnFailed { life, why })));
            return;
        }
        let unit = &mut self.units[at];
        unit.leader = None;
        unit.digest = record::digest(&unit.spec);
        let launch = unit.launch(&self.directory);
        // Written down before it is done: a supervisor that dies in between leaves a process that the next one looks
        // for by its marks.
        self.write_record();
        self.link.order(&Order::Spawn { name, life, launch }).await;
    }

    pub(super) async fn told(&mut self, told: Told) {
        match told {
            Told::Hello { .. } => {}
            Told::Spawned { name, life, result: Ok(identity) } => self.spawned(&name, life, identity).await,
            Told::Spawned { name, life, result: Err(why) } => self.feed(&name, Event::SpawnFailed { life, why }).await,
            Told::Exited { name, life, exit } => self.exited(&name, life, exit).await,
        }
    }

    pub(super) async fn spawned(&mut self, name: &str, life: u64, identity: Identity) {
        let Some(at) = self.index(name) else { return };
        let unit = &mut self.units[at];
        if unit.machine.life() == life && unit.machine.is_spawning() {
            unit.leader = Some(identity);
            unit.started = Some(jiff::Timestamp::now());
        }
        let silent = self.units[at].awaits_line();
        self.feed(name, Event::Spawned { life }).await;
        if let Some(why) = silent {
            self.feed(name, Event::NotReady { life, why }).await;
        }
    }

    async fn exited(&mut self, name: &str, life: u64, exit: Exit) {
        self.feed(name, Event::Exited { life, exit }).await;
        // Lines that were written before the end are there before its consequences.
        if let Ok(batches) = self.followers.ended(name) {
            for batch in batches {
                self.lines(Ok(batch)).await;
            }
        }
    }

    async fn lines(&mut self, batch: Result<Batch, FollowError>) {
        let batch = match batch {
            Ok(batch) => batch,
            // The output is safe in the raw file, and the follower tries again by itself, once a second.
            Err(error) => return note(crate::error::Error::from(error).chain()),
        };
        if let Some(text) = &batch.note {
            note(format_args!("{}: {text}", batch.process));
        }
        let Some(at) = self.index(&batch.process) else { return };
        let unit = &self.units[at];
        if unit.is_ready_by(batch.lines()) {
            let life = unit.machine.life();
            self.feed(&batch.process, Event::Ready { life }).await;
        }
    }

    async fn tick(&mut self) {
        for at in 0..self.units.len() {
            let name = self.units[at].spec.name.clone();
            self.feed(&name, Event::Tick).await;
        }
    }

    /// Everything that follows from the machines' states: gates, units that are gone, the record, answers.
    async fn settle(&mut self) -> Result<(), SuperviseError> {
        for at in 0..self.units.len() {
            let waits_for = self.units[at].machine.waits_for().map(str::to_owned);
            if let Some(known) = waits_for {
                let blocker = self.blocker(at);
                if blocker.as_deref() != Some(known.as_str()) {
                    let name = self.units[at].spec.name.clone();
                    self.feed(&name, Event::Gate(blocker)).await;
                }
            }
        }
        let gone: Vec<String> = self
            .units
            .iter()
            .filter(|unit| unit.removed && !unit.machine.is_moving() && !unit.machine.is_running())
            .map(|unit| unit.spec.name.clone())
            .collect();
        for name in gone {
            self.units.retain(|unit| unit.spec.name != name);
            self.followers.remove(&name)?;
        }
        self.write_record();
        self.answer();
        Ok(())
    }

    /// The first process that unit `at` comes after and that is not ready.
    fn blocker(&self, at: usize) -> Option<String> {
        use crate::model::status::ProcessState;
        let state = |name: &String| self.index(name).map(|at| self.units[at].machine.state());
        self.units[at].spec.after.iter().find_map(|name| match state(name) {
            Some(ProcessState::Ready) => None,
            Some(ProcessState::Failed) => Some(format!("{name}, which failed")),
            Some(ProcessState::Unready) => Some(format!("{name}, which was not ready in time")),
            Some(ProcessState::Stopped) => Some(format!("{name}, which is stopped")),
            Some(_) | None => Some(name.clone()),
        })
    }

    /// Writes the record if it changed.
    fn write_record(&mut self) {
        let mut record = Record::new(&self.record.boot);
        record.keeper = Some(self.link.keeper.clone());
        for unit in &self.units {
            let entry = Entry {
                saved: unit.machine.save(),
                leader: unit.leader.clone(),
                started: unit.started,
                digest: unit.digest.clone(),
                stop: unit.spec.stop,
            };
            record.processes.insert(unit.spec.name.clone(), entry);
        }
        // Without it (a full disk) the next supervisor finds the processes by their marks.
        if record != self.record && record.store(&self.directory).is_ok() {
            self.record = record;
        }
    }

    pub(super) fn status(&self) -> StackStatus {
        StackStatus {
            stack: self.name,
            supervisor_pid: std::process::id(),
            keeper_pid: self.link.keeper.pid,
            processes: self.units.iter().filter(|unit| !unit.removed).map(Unit::status).collect(),
        }
    }

    /// Ends what carries the stack's mark or descends from its keeper, then the keeper, and removes what only a
    /// running stack has.
    async fn close(&mut self) -> Result<(), SuperviseError> {
        let traces = Traces {
            cgroup: self.cgroup.as_ref(),
            ancestor: Some(self.link.keeper.pid),
            ..Traces::of_stack(self.directory.mark())
        };
        group::kill(&traces).await?;
        for unit in &self.units {
            // The logs may be gone with everything else.
            drop(self.followers.ended(&unit.spec.name));
        }
        self.link.order(&Order::End).await;
        self.link.ended().await?;
        if let Some(cgroup) = &self.cgroup {
            // One that is left costs nothing and is used again.
            drop(cgroup.remove());
        }
        for path in [self.directory.runtime(), self.directory.keeper_socket(), self.directory.socket()] {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(SuperviseError::File { path, source });
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Until `at`, since boot; for ever when there is none.
async fn until(at: Option<Duration>) {
    match at {
        Some(at) => tokio::time::sleep_until(Instant::now() + at.saturating_sub(since_boot())).await,
        None => std::future::pending().await,
    }
}

/// The id of this boot, for the record.
pub(super) fn boot() -> Result<&'static str, SuperviseError> {
    Ok(identity::boot_id()?)
}

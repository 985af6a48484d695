//! Takes over the processes that a dead supervisor, or a dead keeper, left.
//!
//! Who a process is stands in three places, each of which may be missing: the keeper's list (with the exits that nobody
//! has seen yet), the record, and the marks in the environment of the process itself. A pid is believed only together
//! with its start time.

use super::{
    SuperviseError,
    keeper::{
        link::Link,
        protocol::{Child, Order},
    },
    note,
    record::Entry,
    set::Set,
    unit::{Unit, rules},
};
use crate::{
    model::{
        machine::{Event, Machine, Saved, Was},
        stack::{ProcessSpec, Restart, StackSpec},
        status::Exit,
    },
    process::{
        group::{self, Traces},
        identity::{Identity, since_boot},
    },
};

/// Who was found to be the leader of a process.
struct Found {
    identity: Identity,
    life: u64,
    by_keeper: bool,
}

impl Set {
    /// Makes the units of `spec`, takes over what runs of them, stops what the specification has no more, and starts
    /// what is to be started.
    ///
    /// # Errors
    /// When the kernel does not tell who runs, or a pattern cannot be used.
    pub(super) async fn take_over(&mut self, spec: StackSpec, children: &[Child]) -> Result<(), SuperviseError> {
        let marked = self.any_marked()?;
        let record = std::mem::take(&mut self.record.processes);
        let mut gone: Vec<(String, Option<&Entry>)> =
            record.iter().map(|(name, entry)| (name.clone(), Some(entry))).collect();
        for child in children {
            if !gone.iter().any(|(name, _)| *name == child.name) {
                gone.push((child.name.clone(), None));
            }
        }
        for process in spec.processes {
            gone.retain(|(name, _)| *name != process.name);
            let entry = record.get(&process.name);
            self.take_over_one(process, entry, children, marked).await?;
        }
        for (name, entry) in gone {
            self.take_over_removed(&name, entry, children, marked).await?;
        }
        self.record.processes = record;
        Ok(())
    }

    async fn take_over_one(
        &mut self,
        spec: ProcessSpec,
        entry: Option<&Entry>,
        children: &[Child],
        marked: bool,
    ) -> Result<(), SuperviseError> {
        let name = spec.name.clone();
        let saved = entry.map(|entry| entry.saved.clone()).unwrap_or_default();
        let found = self.find(&name, entry, children, marked)?;
        let autostart = spec.autostart && !saved.stopped && !saved.started;
        let rules = rules(&spec);
        let lived = matches!(saved.was, Was::Running | Was::Stopping | Was::Restarting);
        let machine = match &found {
            Some(found) => Machine::running(rules, &Saved { life: found.life, ..saved.clone() }, since_boot()),
            None if lived => Machine::running(rules, &saved, since_boot()),
            None => Machine::resting(rules, saved.clone()),
        };
        let mut unit = Unit::new(spec, machine)?;
        let wanted_digest = unit.digest.clone();
        if let Some(entry) = entry {
            unit.leader.clone_from(&entry.leader);
            unit.started = entry.started;
            unit.digest.clone_from(&entry.digest);
        }
        unit.cgroup = self.cgroup_of(&name);
        self.followers.add(&name)?;
        let mut events = Vec::new();
        match saved.was {
            Was::Stopping => events.push(Event::Stop),
            Was::Restarting => events.push(Event::Restart),
            Was::Wanted if found.is_none() => events.push(Event::Start),
            Was::Resting if found.is_some() && saved.stopped => events.push(Event::Stop),
            Was::Resting if found.is_none() && autostart => events.push(Event::Start),
            Was::Resting | Was::Wanted | Was::Running => {}
        }
        if let Some(found) = found {
            // Without a record nobody knows what it was started with; it is left running.
            if entry.is_some() && unit.digest != wanted_digest && events.is_empty() {
                events.push(Event::Restart);
            }
            if entry.is_none() {
                unit.digest = wanted_digest;
            }
            if !found.by_keeper
                && let Some(handle) = found.identity.handle()?
            {
                unit.keep_vigil(handle, &self.reports);
            }
            unit.leader = Some(found.identity);
        } else if lived {
            events.push(Event::Exited { life: saved.life, exit: exit_of(children, &name, saved.life) });
        }
        self.units.push(unit);
        for event in events {
            self.feed(&name, event).await;
        }
        if let Some(at) = self.index(&name) {
            self.units[at].attend(&self.reports);
        }
        Ok(())
    }

    async fn take_over_removed(
        &mut self,
        name: &str,
        entry: Option<&Entry>,
        children: &[Child],
        marked: bool,
    ) -> Result<(), SuperviseError> {
        if self.find(name, entry, children, marked)?.is_none() {
            return Ok(());
        }
        let spec = ProcessSpec {
            name: name.to_owned(),
            argv: Vec::new(),
            cwd: "/".into(),
            env: indexmap::IndexMap::new(),
            run_as: None,
            ready: None,
            autostart: false,
            after: Vec::new(),
            watch: None,
            restart: Restart::Never,
            stop: entry.map_or(group::DEFAULT_STOP, |entry| entry.stop),
        };
        self.take_over_one(spec, entry, children, marked).await?;
        if let Some(at) = self.index(name) {
            self.units[at].removed = true;
        }
        self.feed(name, Event::Stop).await;
        Ok(())
    }

    /// The leader of `name` that runs now.
    fn find(
        &self,
        name: &str,
        entry: Option<&Entry>,
        children: &[Child],
        marked: bool,
    ) -> Result<Option<Found>, SuperviseError> {
        let child = children.iter().find(|child| child.name == name && child.exit.is_none());
        if let Some(child) = child {
            return Ok(Some(Found { identity: child.identity.clone(), life: child.life, by_keeper: true }));
        }
        let life = entry.map_or(1, |entry| entry.saved.life);
        if let Some(leader) = entry.and_then(|entry| entry.leader.as_ref()) {
            if leader.runs()? {
                return Ok(Some(Found { identity: leader.clone(), life, by_keeper: false }));
            }
            // It was written down and ended: what carries its marks are survivors, not a leader.
            return Ok(None);
        }
        if !marked {
            return Ok(None);
        }
        let unrecorded = group::unrecorded_leaders(self.directory.mark(), name)?.into_iter().next();
        Ok(unrecorded.map(|identity| Found { identity, life, by_keeper: false }))
    }

    fn any_marked(&self) -> Result<bool, SuperviseError> {
        let traces = Traces::of_stack(self.directory.mark());
        Ok(!traces.members()?.is_empty())
    }

    /// The keeper went away: has another one, and watches over its children without it.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(super) async fn replace_keeper(&mut self) -> Result<(), SuperviseError> {
        self.link.reap();
        note(format_args!("keeper {} went away; there will be another one", self.link.keeper.pid));
        let (link, children) = Link::reach(&self.directory, Some(&self.link.keeper)).await?;
        self.link = link;
        for at in 0..self.units.len() {
            let name = self.units[at].spec.name.clone();
            let life = self.units[at].machine.life();
            if self.units[at].machine.is_spawning() {
                if let Some(found) = self.find(&name, None, &children, true)? {
                    if !found.by_keeper
                        && let Some(handle) = found.identity.handle()?
                    {
                        self.units[at].keep_vigil(handle, &self.reports);
                    }
                    self.spawned(&name, life, found.identity).await;
                } else {
                    let launch = self.units[at].launch(&self.directory);
                    self.link.order(&Order::Spawn { name, life, launch }).await;
                }
            } else if self.units[at].machine.is_running() {
                let kept =
                    children.iter().any(|child| child.name == name && child.life == life && child.exit.is_none());
                if kept {
                    continue;
                }
                if let Some(handle) = self.units[at].leader.as_ref().map(Identity::handle).transpose()?.flatten() {
                    self.units[at].keep_vigil(handle, &self.reports);
                } else {
                    let exit = exit_of(&children, &name, life);
                    self.feed(&name, Event::Exited { life, exit }).await;
                }
            }
        }
        Ok(())
    }
}

fn exit_of(children: &[Child], name: &str, life: u64) -> Exit {
    let child = children.iter().find(|child| child.name == name && child.life == life);
    child.and_then(|child| child.exit).unwrap_or(Exit::Unknown)
}

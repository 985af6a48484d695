//! All members of a process: its group, session, descendants and marked processes; how they are ended.
//!
//! A member may have left group, session and family (a double fork with setsid), may have emptied or overwritten its
//! environment (PostgreSQL's backends write their title over it), and may have closed its output; each trace alone is
//! enough to find it. Processes that carry [`env_names::SUPERVISOR`] are supervisors and keepers of some stack, never
//! members, nor is what they keep.

use std::{
    collections::{HashMap, HashSet},
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

use camino::Utf8Path;
use rustix::process::Signal;
use tokio::time::{Instant, timeout_at};

use super::{
    ProcessError,
    cgroup::Cgroup,
    identity::{self, Handle, Identity, Stat},
};
use crate::{
    config::env_names,
    model::stack::{Stop, StopSignal},
};

/// How a process is stopped whose own way is not known any more.
pub const DEFAULT_STOP: Stop = Stop { signal: StopSignal::Term, leader_only: false, grace: Duration::from_secs(5) };

/// Time that processes get to disappear after SIGKILL; only one in an uninterruptible wait takes longer.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Rounds of finding and killing; more than one is needed only for what forks faster than it is killed.
const KILL_ROUNDS: u32 = 100;

/// By which traces members are found.
#[derive(Clone, Copy, Debug)]
pub struct Traces<'a> {
    /// Value of [`env_names::STACK`].
    pub mark: &'a str,
    /// Value of [`env_names::PROCESS`]; `None` means any process of the stack.
    pub process: Option<&'a str>,
    /// The leader, running or ended just now: while members of its group live, no other group gets its number.
    pub leader: Option<&'a Identity>,
    /// The file that its output goes to.
    pub output: Option<&'a Utf8Path>,
    /// The cgroup that it was started in.
    pub cgroup: Option<&'a Cgroup>,
    /// A pid whose descendants all belong to it: the keeper's, for the whole stack.
    pub ancestor: Option<u32>,
}

impl<'a> Traces<'a> {
    /// The marks of the whole stack, and nothing else.
    #[must_use]
    pub const fn of_stack(mark: &'a str) -> Self {
        Self { mark, process: None, leader: None, output: None, cgroup: None, ancestor: None }
    }

    /// The members that run now, the leader first. Those that ended and wait to be reaped are none.
    ///
    /// # Errors
    /// When the kernel's list of processes cannot be read.
    pub fn members(&self) -> Result<Vec<Stat>, ProcessError> {
        let all = processes()?;
        let boot = identity::boot_id()?;
        let leader = self.leader.filter(|leader| leader.boot == boot);
        // Somebody else with the leader's pid: then its group and session of that number are somebody else's too.
        let stranger =
            leader.is_some_and(|leader| all.iter().any(|stat| stat.pid == leader.pid && stat.start != leader.start));
        let leader = leader.filter(|_| !stranger);
        let output = self.output.and_then(|path| std::fs::metadata(path).ok()).map(|meta| (meta.dev(), meta.ino()));

        let mut member: HashSet<u32> = HashSet::new();
        let grouped = self.cgroup.and_then(|cgroup| cgroup.members().ok()).unwrap_or_default();
        let mut foreign: HashSet<u32> = HashSet::new();
        for stat in &all {
            // Nobody is older than the one who brought him forth.
            if leader.is_some_and(|leader| stat.start < leader.start) {
                continue;
            }
            let of_group = leader.is_some_and(|leader| stat.group == leader.pid || stat.session == leader.pid);
            let grouped = grouped.binary_search(&stat.pid).is_ok();
            match self.marks(stat.pid) {
                Marks::Supervisor => {
                    foreign.insert(stat.pid);
                }
                Marks::Ours => {
                    member.insert(stat.pid);
                }
                // Another stack that was launched from a process of this one may be in its cgroup.
                Marks::None if grouped => {
                    member.insert(stat.pid);
                }
                Marks::None | Marks::Other if of_group || output.is_some_and(|file| writes_to(stat.pid, file)) => {
                    member.insert(stat.pid);
                }
                Marks::None | Marks::Other => {}
            }
        }
        self.add_descendants(&all, &mut member, &foreign);
        let mut found: Vec<Stat> = all.into_iter().filter(|stat| member.contains(&stat.pid) && !stat.ended).collect();
        found.sort_by_key(|stat| (leader.is_none_or(|leader| leader.pid != stat.pid), stat.start, stat.pid));
        Ok(found)
    }

    fn marks(&self, pid: u32) -> Marks {
        // Not readable: another user's, or gone. Such a process can still be found by its family.
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return Marks::None };
        let (mut stack, mut process, mut other) = (false, false, false);
        for variable in environment.split(|byte| *byte == 0) {
            let Some((name, value)) = split_variable(variable) else { continue };
            if name == env_names::SUPERVISOR.as_bytes() {
                return Marks::Supervisor;
            }
            if name == env_names::STACK.as_bytes() {
                stack = value == self.mark.as_bytes();
                other = !stack;
            }
            process |= name == env_names::PROCESS.as_bytes()
                && self.process.is_none_or(|expected| expected.as_bytes() == value);
        }
        match (stack && process, other) {
            (true, _) => Marks::Ours,
            (false, true) => Marks::Other,
            (false, false) => Marks::None,
        }
    }

    fn add_descendants(&self, all: &[Stat], member: &mut HashSet<u32>, foreign: &HashSet<u32>) {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for stat in all {
            children.entry(stat.parent).or_default().push(stat.pid);
        }
        let mut open: Vec<u32> = member.iter().copied().chain(self.ancestor).collect();
        while let Some(parent) = open.pop() {
            for child in children.get(&parent).into_iter().flatten() {
                if !foreign.contains(child) && member.insert(*child) {
                    open.push(*child);
                }
            }
        }
    }
}

enum Marks {
    Ours,
    /// Of another stack.
    Other,
    /// A supervisor or keeper.
    Supervisor,
    /// Of nobody.
    None,
}

/// The value of a variable that the process `pid` was started with; `None` also when it may not be read.
#[must_use]
pub fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0).filter_map(split_variable);
    let (_, value) = variables.find(|(found, _)| *found == name.as_bytes())?;
    String::from_utf8(value.to_owned()).ok()
}

fn split_variable(variable: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = variable.iter().position(|byte| *byte == b'=')?;
    Some((&variable[..at], &variable[at + 1..]))
}

fn writes_to(pid: u32, file: (u64, u64)) -> bool {
    [1, 2]
        .iter()
        .any(|fd| std::fs::metadata(format!("/proc/{pid}/fd/{fd}")).is_ok_and(|meta| (meta.dev(), meta.ino()) == file))
}

/// Every process of the machine that is no kernel thread.
fn processes() -> Result<Vec<Stat>, ProcessError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").map_err(ProcessError::List)? {
        let entry = entry.map_err(ProcessError::List)?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match identity::stat(pid)? {
            // 2 is kthreadd, the parent of all kernel threads; in a pid namespace 2 is an ordinary process.
            Some(stat) if stat.parent != 2 || stat.session != 0 => found.push(stat),
            Some(_) | None => {}
        }
    }
    Ok(found)
}

/// The leaders of sessions that carry both marks and were started by no other such process: what a supervisor started
/// and could not record any more. Oldest first.
///
/// # Errors
/// When the kernel's list of processes cannot be read.
pub fn unrecorded_leaders(mark: &str, process: &str) -> Result<Vec<Identity>, ProcessError> {
    let traces = Traces { process: Some(process), ..Traces::of_stack(mark) };
    let members = traces.members()?;
    let boot = identity::boot_id()?;
    Ok(members
        .iter()
        .filter(|stat| stat.session == stat.pid && !members.iter().any(|other| other.pid == stat.parent))
        .map(|stat| Identity { pid: stat.pid, start: stat.start, boot: boot.to_owned() })
        .collect())
}

/// Ends all members: the signal that asks, the grace, SIGKILL, and a look that nothing is left.
///
/// # Errors
/// When members cannot be found or signalled, or do not go.
pub async fn end(traces: &Traces<'_>, stop: Stop) -> Result<(), ProcessError> {
    let deadline = Instant::now() + stop.grace;
    let members = handles(&traces.members()?)?;
    let leader = traces.leader.map(|leader| leader.pid).filter(|pid| members.iter().any(|member| member.pid() == *pid));
    for member in &members {
        // Without a leader that could pass it on, everyone is asked.
        if !stop.leader_only || leader.is_none_or(|leader| leader == member.pid()) {
            member.signal(signal_of(stop.signal))?;
        }
    }
    all_ended(&members, deadline).await?;
    kill(traces).await
}

/// Ends all members with SIGKILL and looks that nothing is left.
///
/// # Errors
/// As [`end`].
pub async fn kill(traces: &Traces<'_>) -> Result<(), ProcessError> {
    let deadline = Instant::now() + KILL_LIMIT;
    for _ in 0..KILL_ROUNDS {
        let members = handles(&traces.members()?)?;
        if members.is_empty() {
            return Ok(());
        }
        for member in &members {
            member.signal(Signal::KILL)?;
        }
        if !all_ended(&members, deadline).await? {
            break;
        }
    }
    let left = traces.members()?;
    if left.is_empty() {
        return Ok(());
    }
    Err(ProcessError::Immortal { pids: left.iter().map(|stat| stat.pid).collect() })
}

/// Ends every process of a stack that has nobody any more who would end it: those that carry its mark or are in its
/// cgroup, and a keeper or supervisor that was left.
///
/// # Errors
/// As [`end`].
pub async fn end_leftovers(mark: &str, cgroup: Option<&Cgroup>) -> Result<(), ProcessError> {
    let traces = Traces { cgroup, ..Traces::of_stack(mark) };
    let mut overseers = processes()?;
    overseers.retain(|stat| !stat.ended && variable(stat.pid, env_names::SUPERVISOR).as_deref() == Some(mark));
    let overseers = handles(&overseers)?;
    for overseer in &overseers {
        // It starts nothing in a dead process's place any more, and its children stay its own until they are ended.
        overseer.signal(Signal::STOP)?;
    }
    let mut result =
        end(&traces, Stop { signal: StopSignal::Term, leader_only: false, grace: Duration::from_secs(1) }).await;
    for overseer in &overseers {
        result = result.and(kill(&Traces { ancestor: Some(overseer.pid()), ..traces }).await);
        overseer.signal(Signal::KILL)?;
    }
    all_ended(&overseers, Instant::now() + KILL_LIMIT).await?;
    result
}

/// Handles of those that still are who they were.
fn handles(members: &[Stat]) -> Result<Vec<Handle>, ProcessError> {
    let boot = identity::boot_id()?;
    let mut handles = Vec::with_capacity(members.len());
    for stat in members {
        let identity = Identity { pid: stat.pid, start: stat.start, boot: boot.to_owned() };
        if let Some(handle) = identity.handle()? {
            handles.push(handle);
        }
    }
    Ok(handles)
}

/// Waits until all have ended; `false` when the deadline came first.
async fn all_ended(members: &[Handle], deadline: Instant) -> Result<bool, ProcessError> {
    for member in members {
        match timeout_at(deadline, member.ended()).await {
            Ok(ended) => ended?,
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

const fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
    }
}

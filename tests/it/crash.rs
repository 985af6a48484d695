//! Death of ours at any moment: what runs goes on, what was said is kept.

use std::time::{Duration, Instant};

use agent_harness::{
    model::{
        stack::ReadyCheck,
        status::{Exit, ProcessState, StackStatus},
    },
    process::identity::stat,
    wire::{WireError, protocol::Until},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{
    World,
    run::until,
    stack::{Stack, find, python, ready, sh},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Supervisor,
    Keeper,
    Both,
}

const VICTIMS: [Victim; 3] = [Victim::Supervisor, Victim::Keeper, Victim::Both];

/// Kills `pid` and waits until it has ended: a process that is told to die may still be seen to run.
fn kill(pid: u32) {
    let victim = Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
    kill_process(victim, Signal::KILL).expect("it runs");
    until("it has ended", Duration::from_mins(1), || has_ended(pid).then_some(()));
}

fn has_ended(pid: u32) -> bool {
    stat(pid).expect("/proc").is_none_or(|stat| stat.ended)
}

fn strike(victim: Victim, status: &StackStatus) {
    match victim {
        Victim::Supervisor => kill(status.supervisor_pid),
        Victim::Keeper => kill(status.keeper_pid),
        Victim::Both => {
            kill(status.supervisor_pid);
            kill(status.keeper_pid);
        }
    }
}

fn printer() -> agent_harness::model::stack::ProcessSpec {
    // Ten thousand lines a second, in bursts of a hundred.
    let script = "import time\nn=0\nnext=time.monotonic()\nwhile True:\n for _ in range(100):\n  print(n); n+=1\n \
                  next+=0.01\n time.sleep(max(0,next-time.monotonic()))";
    python("printer", script)
}

/// The numbers of the log, which must be all from 0 on, each once, in order.
fn count(stack: &Stack) -> usize {
    let lines = stack.log("printer");
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line, &at.to_string(), "line {at} of {}", lines.len());
    }
    lines.len()
}

#[tokio::test]
async fn whoever_is_killed_the_processes_run_on_and_no_line_is_lost() {
    let world = World::new();
    let stack = Stack::new(&world, vec![printer(), sh("other", "exec sleep 1000")]);
    let first = stack.up().await.start(&[], Until::Settled).await.expect("started");
    // The machine may be busy with other tests: the best of several counts.
    let mut best = [Duration::MAX; 3];
    for round in 0..9 {
        let victim = VICTIMS[round % 3];
        let before = stack.status().await;
        strike(victim, &before);
        let struck = Instant::now();
        let after = loop {
            let status = stack.status().await;
            if (victim != Victim::Keeper || status.keeper_pid != before.keeper_pid)
                && (victim == Victim::Keeper || status.supervisor_pid != before.supervisor_pid)
            {
                break status;
            }
            assert!(struck.elapsed() < Duration::from_secs(10), "{victim:?}: {status:?}\n{}", stack.supervisor_log());
        };
        best[round % 3] = best[round % 3].min(struck.elapsed());
        assert_eq!(after.processes, first.processes, "{victim:?}: nothing was restarted, everything is known");
    }
    assert!(best.iter().all(|best| *best < Duration::from_secs(1)), "{VICTIMS:?}: {best:?}");
    let mut client = stack.client().await;
    let status = client.restart(&["other".to_owned()], Until::Settled).await.expect("a restart works");
    assert_eq!(find(status, "other").restarts, 1);
    let status = client.stop(&["printer".to_owned()]).await.expect("stopped");
    assert_eq!(find(status, "printer").state, ProcessState::Stopped);
    assert!(count(&stack) > 1000, "it printed");
}

#[tokio::test]
async fn a_killed_supervisor_is_replaced_by_its_keeper() {
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("one", "exec sleep 1000")]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    kill(before.supervisor_pid);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        // Connects only; starts nothing.
        if let Some(mut client) = stack.builtin.connect(stack.spec.name).await.expect("no error") {
            let after = client.status().await.expect("a status");
            assert_eq!((after.keeper_pid, &after.processes), (before.keeper_pid, &before.processes));
            break;
        }
        assert!(Instant::now() < deadline, "nobody came back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn sigterm_ends_the_supervisor_only() {
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("one", "exec sleep 1000")]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    let pid = Pid::from_raw(before.supervisor_pid.try_into().expect("a pid")).expect("a pid");
    kill_process(pid, Signal::TERM).expect("it runs");
    let deadline = Instant::now() + Duration::from_secs(20);
    while stack.builtin.connect(stack.spec.name).await.expect("no error").is_some() {
        assert!(Instant::now() < deadline, "it does not go");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = stack.status().await;
    assert_ne!(after.supervisor_pid, before.supervisor_pid);
    assert_eq!(after.processes, before.processes);
}

#[tokio::test]
async fn ends_in_nobodys_presence_are_seen_afterwards() {
    for victim in [Victim::Supervisor, Victim::Both] {
        let world = World::new();
        let flag = world.path("flag");
        let script = format!("while [ ! -e '{flag}' ]; do sleep 0.01; done; rm '{flag}'; exit 5");
        let mut one = sh("one", &script);
        one.restart = agent_harness::model::stack::Restart::Never;
        let stack = Stack::new(&world, vec![one]);
        let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
        let pid = find(before.clone(), "one").pid.expect("it runs");
        // The keeper must not bring the supervisor back before the process has ended.
        if victim == Victim::Supervisor {
            let supervisor = Pid::from_raw(before.supervisor_pid.try_into().expect("a pid")).expect("a pid");
            kill_process(supervisor, Signal::TERM).expect("it runs");
        } else {
            strike(victim, &before);
        }
        fs_err::write(&flag, "").expect("a file");
        let deadline = Instant::now() + Duration::from_secs(20);
        while flag.exists() || fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z ")) {
            assert!(Instant::now() < deadline, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let status = stack.wait_state("one", ProcessState::Failed).await;
        let expected = if victim == Victim::Both { Exit::Unknown } else { Exit::Code(5) };
        assert_eq!(status.last_exit, Some(expected), "{victim:?}");
    }
}

/// A process that is nobody's business.
struct Bystander(std::process::Child);

impl Bystander {
    #[expect(clippy::disallowed_methods, reason = "nobody supervises it")]
    fn new() -> Self {
        let null = std::process::Stdio::null;
        Self(std::process::Command::new("sleep").arg("1000").stdout(null()).stderr(null()).spawn().expect("a child"))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("our child");
    }
}

#[tokio::test]
async fn a_pid_that_is_somebody_elses_now_is_not_signalled() {
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("one", "exec sleep 1000")]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    strike(Victim::Both, &before);
    kill(find(before.clone(), "one").pid.expect("it runs"));
    // A bystander with the recorded pid, as far as the record goes.
    let mut bystander = Bystander::new();
    let path = stack.directory().runtime();
    let mut record: serde_json::Value = serde_json::from_slice(&fs_err::read(&path).expect("a record")).expect("JSON");
    record["processes"]["one"]["leader"]["pid"] = bystander.0.id().into();
    record["keeper"]["pid"] = bystander.0.id().into();
    fs_err::write(&path, record.to_string()).expect("a record");
    let status = stack.wait_state("one", ProcessState::Ready).await;
    assert_eq!((status.restarts, status.last_exit), (1, Some(Exit::Unknown)));
    assert_ne!(status.pid, Some(bystander.0.id()));
    stack.client().await.stop(&[]).await.expect("stopped");
    assert_eq!(bystander.0.try_wait().expect("our child"), None, "it was left alone");
}

#[tokio::test]
async fn what_was_started_but_not_written_down_is_found_by_its_marks() {
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("one", "exec sleep 1000")]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    strike(Victim::Both, &before);
    fs_err::remove_file(stack.directory().runtime()).expect("a record");
    let after = stack.process("one").await;
    assert_eq!(after.pid, find(before, "one").pid);
    assert_eq!(after.state, ProcessState::Ready);
}

#[tokio::test]
async fn a_leaders_survivors_are_ended_before_it_is_started_again() {
    let world = World::new();
    let alive = world.path("alive");
    // A child in a session of its own that holds what only one may hold, as PostgreSQL's backends do; its environment
    // is overwritten.
    let script = format!(
        "import os,time,fcntl\nlock=open('{alive}','w')\nos.set_inheritable(lock.fileno(),True)\nfcntl.flock(lock,fcntl.LOCK_EX|fcntl.LOCK_NB)\n\
         if os.fork()==0:\n os.setsid()\n os.execve('/bin/sh',['sh','-c','exec sleep 1000'],{{}})\n\
         print('up')\ntime.sleep(1000)"
    );
    let stack = Stack::new(&world, vec![ready(python("pg", &script), ReadyCheck::Log { pattern: "^up$".to_owned() })]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    kill(find(before.clone(), "pg").pid.expect("it runs"));
    let status = stack.wait("pg", |status| status.state == ProcessState::Ready && status.restarts > 0).await;
    assert_eq!(status.restarts, 1, "the lock was free at the first attempt");
    // The same when nobody was there to see it.
    let before = stack.status().await;
    strike(Victim::Both, &before);
    kill(find(before, "pg").pid.expect("it runs"));
    let status = stack.wait("pg", |status| status.state == ProcessState::Ready && status.restarts > 1).await;
    assert_eq!(status.restarts, 2, "the lock was free at the first attempt");
}

/// A process that takes a moment to stop.
fn slow_to_stop() -> agent_harness::model::stack::ProcessSpec {
    let mut slow = sh("slow", "trap '' TERM; echo up; while :; do sleep 0.05; done");
    slow.stop.grace = Duration::from_millis(300);
    ready(slow, ReadyCheck::Log { pattern: "^up$".to_owned() })
}

/// Waits until the supervisor has begun to stop everything.
async fn stopping(stack: &Stack) {
    while stack.directory().spec().exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_stack_comes_up_again_when_who_ordered_its_end_was_killed() {
    let world = World::new();
    let stack = Stack::new(&world, vec![slow_to_stop()]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    tokio::select! {
        end = stack.client().await.shutdown() => panic!("no time to be killed in: {end:?}"),
        () = stopping(&stack) => {}
    }
    stack.builtin.finish_stopping(stack.spec.name).await.expect("stopped");
    let pid = find(before, "slow").pid.expect("it ran");
    assert!(has_ended(pid), "its port is free again");
    let after = stack.up().await.start(&[], Until::Settled).await.expect("started");
    assert_eq!(find(after, "slow").state, ProcessState::Ready);
    stack.builtin.finish_stopping(stack.spec.name).await.expect("nothing to be done");
    assert_eq!(stack.process("slow").await.state, ProcessState::Ready);
}

#[tokio::test]
async fn a_stack_is_removed_while_its_supervisor_goes_away() {
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("quick", "exec sleep 1000")]);
    for _ in 0..10 {
        stack.up().await.start(&[], Until::Settled).await.expect("started");
        let others = stack.client().await;
        let (removed, stopped) = tokio::join!(stack.builtin.remove(stack.spec.name), others.shutdown());
        removed.expect("removed");
        // Both may have come in time to be told.
        assert!(matches!(stopped, Ok(()) | Err(WireError::Gone { .. })), "{stopped:?}");
        assert!(!stack.directory().path().exists());
    }

    let stack = Stack::new(&world, vec![slow_to_stop()]);
    for victim in VICTIMS {
        let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
        let strike = async {
            stopping(&stack).await;
            strike(victim, &before);
        };
        let (removed, ()) = tokio::join!(stack.builtin.remove(stack.spec.name), strike);
        removed.unwrap_or_else(|error| panic!("{victim:?}: {error}"));
        assert!(!stack.directory().path().exists());
        for pid in [find(before.clone(), "slow").pid.expect("it ran"), before.keeper_pid, before.supervisor_pid] {
            assert!(has_ended(pid), "{victim:?}: {pid} runs on");
        }
    }
}

#[tokio::test]
async fn a_stack_is_removed_without_supervisor_and_without_record() {
    // A child that has no mark is its family's only.
    let script = "import os,time\nif os.fork()==0: os.execve('/bin/sh',['sh','-c','exec sleep 1000'],{})\n\
                  print('up')\ntime.sleep(1000)";
    for victim in [Victim::Supervisor, Victim::Both] {
        let world = World::new();
        let up = ReadyCheck::Log { pattern: "^up$".to_owned() };
        let stack = Stack::new(&world, vec![ready(python("one", script), up)]);
        let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
        let members = stack.client().await.members().await.expect("members").remove(0).pids;
        assert_eq!(members.len(), 2, "{members:?}");
        strike(victim, &before);
        fs_err::remove_dir_all(stack.directory().path()).expect("a directory");
        stack.builtin.remove(stack.spec.name).await.expect("removed");
        // Nobody has the second one's family in mind when the keeper is dead, but where there is a cgroup.
        let expected = if victim == Victim::Both { &members[..1] } else { &members[..] };
        for pid in expected.iter().chain([&before.keeper_pid]) {
            assert!(has_ended(*pid), "{victim:?}: {pid} runs on");
        }
        for pid in members.into_iter().filter(|pid| !has_ended(*pid)) {
            kill(pid);
        }
    }
}

#[tokio::test]
async fn a_supervisor_executes_itself_anew_while_the_processes_run_on() {
    let world = World::new();
    let stack = Stack::new(&world, vec![printer()]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    let client = stack.client().await;
    client.reexec(env!("CARGO_BIN_EXE_agent-harness").into()).await.expect("executed anew");
    let after = stack.status().await;
    assert_eq!(after, before, "the same pid, the same keeper, the same processes");
    stack.client().await.stop(&[]).await.expect("stopped");
    count(&stack);
}

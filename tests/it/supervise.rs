//! What the supervisor does with processes that behave and with those that do not.

use std::time::{Duration, Instant};

use agent_harness::{
    model::{
        stack::ReadyCheck,
        status::{Exit, ProcessState},
    },
    wire::protocol::Until,
};

use crate::world::{
    World,
    stack::{Stack, find, python, ready, sh},
};

#[tokio::test]
async fn two_processes_run_and_stop_at_once() {
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("one", "exec sleep 1000"), sh("two", "exec sleep 1000")]);
    let mut client = stack.up().await;
    let status = client.start(&[], Until::Settled).await.expect("started");
    assert!(status.processes.iter().all(|process| process.state == ProcessState::Ready), "{status:?}");
    let before = Instant::now();
    let status = client.stop(&[]).await.expect("stopped");
    let took = before.elapsed();
    for process in status.processes {
        assert_eq!((process.state, process.last_exit), (ProcessState::Stopped, Some(Exit::Signal(15))));
    }
    assert!(took < Duration::from_millis(100), "{took:?}");
}

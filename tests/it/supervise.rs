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
    // The machine may be busy with other tests: the best of several counts.
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let before = Instant::now();
        let status = client.stop(&[]).await.expect("stopped");
        best = best.min(before.elapsed());
        for process in status.processes {
            assert_eq!((process.state, process.last_exit), (ProcessState::Stopped, Some(Exit::Signal(15))));
        }
        if best < Duration::from_millis(100) {
            return;
        }
        client.start(&[], Until::Settled).await.expect("started");
    }
    panic!("{best:?}");
}

/// A server on a port that answers GETs, after `delay` seconds.
fn server(name: &str, port: u16, delay: f64) -> agent_harness::model::stack::ProcessSpec {
    let script = format!(
        "import time,http.server\ntime.sleep({delay})\n\
         http.server.HTTPServer(('127.0.0.1',{port}),http.server.SimpleHTTPRequestHandler).serve_forever()"
    );
    python(name, &script)
}

#[tokio::test]
async fn every_kind_of_readiness() {
    let world = World::new();
    let (http, tcp) = (world.ports.at(6), world.ports.at(7));
    let flag = world.path("flag");
    let touch = format!("sleep 0.2; touch '{flag}'; exec sleep 1000");
    let processes = vec![
        ready(server("http", http, 0.2), ReadyCheck::Http { url: format!("http://127.0.0.1:{http}/") }),
        ready(server("tcp", tcp, 0.2), ReadyCheck::Tcp { port: tcp }),
        ready(
            sh("log", "echo starting; sleep 0.2; echo 'now ready (3)'; exec sleep 1000"),
            ReadyCheck::Log { pattern: r"ready \(\d\)$".to_owned() },
        ),
        ready(
            sh("command", &touch),
            ReadyCheck::Command { argv: vec!["test".to_owned(), "-e".to_owned(), flag.to_string()] },
        ),
        sh("none", "exec sleep 1000"),
    ];
    let stack = Stack::new(&world, processes);
    let mut client = stack.up().await;
    let early = client.status().await.expect("a status");
    for name in ["http", "tcp", "log", "command"] {
        assert_eq!(find(early.clone(), name).state, ProcessState::Starting, "{name}");
    }
    let status = client.start(&[], Until::Settled).await.expect("started");
    for process in status.processes {
        assert_eq!(process.state, ProcessState::Ready, "{process:?}");
        let after = process.ready_after_ms.expect("ready");
        assert_eq!(after >= 190, process.name != "none", "{process:?}");
    }
}

#[tokio::test]
async fn not_ready_in_time_runs_on_and_becomes_ready() {
    let world = World::new();
    let flag = world.path("flag");
    let mut spec = ready(
        sh("slow", "exec sleep 1000"),
        ReadyCheck::Command { argv: vec!["test".to_owned(), "-e".to_owned(), flag.to_string()] },
    );
    spec.ready.as_mut().expect("it has one").timeout = Duration::from_millis(100);
    let stack = Stack::new(&world, vec![spec]);
    let mut client = stack.up().await;
    let status = find(client.start(&[], Until::Settled).await.expect("started"), "slow");
    assert_eq!(status.state, ProcessState::Unready);
    assert!(
        status.reason.as_deref().is_some_and(|reason| reason.ends_with("test ended with exit status: 1")),
        "{status:?}"
    );
    fs_err::write(&flag, "").expect("a file");
    let later = stack.wait_state("slow", ProcessState::Ready).await;
    assert_eq!(later.pid, status.pid, "the same process");
}

#[tokio::test]
async fn a_process_starts_after_those_it_needs() {
    let world = World::new();
    let trail = world.path("trail");
    let mut first = ready(
        sh("first", &format!("sleep 0.2; echo first >> '{trail}'; echo up; exec sleep 1000")),
        ReadyCheck::Log { pattern: "up".to_owned() },
    );
    let mut second = ready(
        sh("second", &format!("echo second >> '{trail}'; echo up; exec sleep 1000")),
        ReadyCheck::Log { pattern: "up".to_owned() },
    );
    second.after = vec!["first".to_owned()];
    // Given in the other order on purpose.
    let stack = Stack::new(&world, vec![second.clone(), first.clone()]);
    let mut client = stack.up().await;
    assert_eq!(find(client.status().await.expect("a status"), "second").reason.as_deref(), Some("waits for first"));
    client.start(&[], Until::Settled).await.expect("started");
    assert_eq!(fs_err::read_to_string(&trail).expect("a trail"), "first\nsecond\n");
    first.after = vec!["second".to_owned()];
    let error = Stack::new(&world, vec![second, first]).builtin.ensure(&stack.spec).await;
    assert!(error.is_ok(), "the same specification again is fine");
}

#[tokio::test]
async fn a_crash_is_restarted_and_a_crash_loop_given_up() {
    let world = World::new();
    let count = world.path("count");
    let once = format!("if [ -e '{count}' ]; then exec sleep 1000; fi; touch '{count}'; exit 3");
    let stack = Stack::new(&world, vec![sh("once", &once), sh("loop", "echo 'no such table: users' >&2; exit 7")]);
    stack.up().await;
    let status = stack.wait("once", |status| status.state == ProcessState::Ready && status.restarts > 0).await;
    assert_eq!((status.restarts, status.last_exit), (1, Some(Exit::Code(3))));
    let status = stack.wait_state("loop", ProcessState::Failed).await;
    assert_eq!((status.restarts, status.last_exit), (7, Some(Exit::Code(7))));
    assert_eq!(status.reason.as_deref(), Some("ended with exit code 7; given up after 8 times in a row"));
    assert_eq!(stack.log("loop"), vec!["no such table: users"; 8]);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let world = World::new();
    let mut nowhere = sh("nowhere", "exit 0");
    nowhere.cwd = "/no/such/directory".into();
    let stack = Stack::new(&world, vec![crate::world::stack::program("missing", &["no-such-program"]), nowhere]);
    stack.up().await;
    let status = stack.wait_state("missing", ProcessState::BackOff).await;
    assert!(
        status.reason.as_deref().is_some_and(|why| why.starts_with("cannot execute no-such-program: ")),
        "{status:?}"
    );
    let status = stack.wait_state("nowhere", ProcessState::BackOff).await;
    assert!(
        status.reason.as_deref().is_some_and(|why| why.starts_with("cannot work in /no/such/directory: ")),
        "{status:?}"
    );
}

/// Pids of all processes whose command line contains `text`.
fn running(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir("/proc").expect("/proc") {
        let entry = entry.expect("an entry");
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let line = fs_err::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(text) && pid != std::process::id() {
            found.push(pid);
        }
    }
    found
}

#[tokio::test]
async fn stopping_ends_whoever_resists_or_hides() {
    let world = World::new();
    let tag = format!("hide-{}", std::process::id());
    let mut deaf = sh("deaf", &format!("trap '' TERM INT HUP; while :; do sleep 0.05; done; : {tag}-deaf"));
    deaf.stop.grace = Duration::from_millis(300);
    // Forks twice, leaves session and group, empties its environment, and closes its output.
    let escape = "import os,sys,time\n\
         if os.fork()==0:\n os.setsid()\n if os.fork()==0:\n  mode=sys.argv[1]\n  \
         null=os.open('/dev/null',os.O_RDWR)\n  \
         if mode!='output': os.dup2(null,1); os.dup2(null,2)\n  \
         env={} if mode!='mark' else dict(os.environ)\n  \
         os.execvpe('python3',['python3','-c','import time,signal\\nsignal.signal(15,signal.SIG_IGN)\\ntime.sleep(1000)',sys.argv[2]],env)\n os._exit(0)\n\
         time.sleep(1000)";
    let mut processes = vec![deaf];
    let mut modes = vec!["mark", "output"];
    // Whoever has lost every trace is found where the kernel lets this user make a cgroup.
    if let Ok(cgroup) = agent_harness::process::cgroup::Cgroup::create(&tag) {
        cgroup.remove().expect("an empty cgroup");
        modes.push("nothing");
    }
    for mode in modes.clone() {
        let mut spec = crate::world::stack::program(mode, &["python3", "-c", escape, mode, &format!("{tag}-{mode}")]);
        spec.stop.grace = Duration::from_millis(300);
        processes.push(spec);
    }
    let stack = Stack::new(&world, processes);
    let mut client = stack.up().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    // The leader and the one who hides; `deaf` and its sleep.
    while modes.iter().any(|mode| running(&format!("{tag}-{mode}")).len() < 2) {
        assert!(Instant::now() < deadline, "they did not come up: {:?}", stack.status().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let members = client.members().await.expect("members");
    for mode in modes {
        let found = &members.iter().find(|members| members.name == mode).expect("a process").pids;
        for pid in running(&format!("{tag}-{mode}")) {
            assert!(found.contains(&pid), "{mode}: {pid} is not in {found:?}");
        }
    }
    client.stop(&[]).await.expect("stopped");
    assert_eq!(running(&tag), Vec::<u32>::new(), "nobody is left");
}

#[tokio::test]
async fn a_daemon_without_any_trace_goes_with_the_stack() {
    let world = World::new();
    let tag = format!("traceless-{}", std::process::id());
    let script = "import os,sys,time\n\
         if os.fork()==0:\n os.setsid()\n if os.fork()==0:\n  null=os.open('/dev/null',os.O_RDWR)\n  \
         os.dup2(null,1); os.dup2(null,2)\n  \
         os.execvpe('python3',['python3','-c','import time\\ntime.sleep(1000)',sys.argv[1]],{})\n os._exit(0)\n\
         time.sleep(1000)";
    let stack = Stack::new(&world, vec![crate::world::stack::program("d", &["python3", "-c", script, &tag])]);
    stack.up().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while running(&tag).len() < 2 {
        assert!(Instant::now() < deadline, "it did not come up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stack.builtin.remove(stack.spec.name).await.expect("removed");
    assert_eq!(running(&tag), Vec::<u32>::new(), "nobody is left");
    assert!(!stack.directory().path().exists(), "nothing is left on disk");
}

#[tokio::test]
async fn only_what_changed_is_restarted() {
    let world = World::new();
    let mut stack = Stack::new(
        &world,
        vec![sh("same", "exec sleep 1000"), sh("changed", "exec sleep 1000"), sh("gone", "exec sleep 1000")],
    );
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    stack.spec.processes.remove(2);
    stack.spec.processes[1].env.insert("NEW".to_owned(), "value".to_owned());
    stack.spec.processes.push(sh("new", "exec sleep 1000"));
    let mut demand = sh("demand", "exec sleep 1000");
    demand.autostart = false;
    stack.spec.processes.push(demand);
    let mut client = stack.up().await;
    let after = client.start(&[], Until::Settled).await.expect("started");
    let names: Vec<&str> = after.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["same", "changed", "new", "demand"]);
    assert_eq!(find(after.clone(), "same").pid, find(before.clone(), "same").pid);
    assert_ne!(find(after.clone(), "changed").pid, find(before, "changed").pid);
    assert_eq!(find(after.clone(), "new").state, ProcessState::Ready);
    assert_eq!(find(after, "demand").state, ProcessState::Stopped);
    let on_demand = client.restart(&["demand".to_owned()], Until::Settled).await.expect("started");
    assert_eq!(find(on_demand, "demand").state, ProcessState::Ready);
    let error = client.restart(&["nope".to_owned()], Until::Started).await.expect_err("no such process");
    assert_eq!(error.to_string(), r#"there is no process "nope"; there are same, changed, new, demand"#);
}

#[tokio::test]
async fn hostile_input_harms_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("one", "exec sleep 1000")]);
    stack.up().await.start(&[], Until::Settled).await.expect("started");
    let before = stack.process("one").await;
    let mut held = Vec::new();
    for input in [
        b"\x00\xff\xfe garbage\n{\"status\": 1}\n[[[[\n".to_vec(),
        vec![b'x'; 2 * 1024 * 1024],
        b"\"stat".to_vec(),
        b"\"status\"\n\"status\"\n\"status\"\n".to_vec(),
        b"{\"stop\":{\"names\":[\"../one\"]}}\n".to_vec(),
        Vec::new(),
    ] {
        let path = stack.directory().socket();
        let mut stream = agent_harness::wire::socket::connect(&path).await.expect("no error").expect("it listens");
        // The supervisor may cut off whoever sends too much.
        drop(stream.write_all(&input).await);
        let mut answer = [0; 4096];
        drop(stream.read(&mut answer).await);
        held.push(stream);
    }
    assert_eq!(stack.process("one").await, before);
}

#[tokio::test]
async fn nothing_of_the_callers_environment_and_descriptors_reaches_a_process() {
    let world = World::new();
    let script = "env | sort; ls -l /proc/self/fd | grep -c ^l; grep -E '^Sig(Blk|Ign)' /proc/self/status; umask; exec sleep 1000";
    let stack = Stack::new(&world, vec![sh("env", script)]);
    stack.up().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while stack.log("env").last().map(String::as_str) != Some("0022") {
        assert!(Instant::now() < deadline, "{:?}", stack.log("env"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let log = stack.log("env");
    let names: Vec<&str> = log.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let from_sh = ["OLDPWD", "PWD", "SHLVL", "_"];
    let names: Vec<&str> = names.into_iter().filter(|name| !from_sh.contains(name)).collect();
    assert_eq!(names, ["AGENT_HARNESS_PROCESS", "AGENT_HARNESS_STACK", "PATH"]);
    // 0, 1, 2 and the one that ls reads the folder with.
    assert!(log.contains(&"4".to_owned()), "{log:?}");
    assert!(log.contains(&"SigBlk:\t0000000000000000".to_owned()), "{log:?}");
    assert!(log.contains(&"SigIgn:\t0000000000000000".to_owned()), "{log:?}");
}

#[tokio::test]
async fn a_directory_may_be_deeper_than_a_socket_address_is_long() {
    let world = World::new();
    let mut stack = Stack::new(&world, vec![sh("one", "exec sleep 1000")]);
    stack.paths.state = world.path("state").join("d".repeat(120)).join("e".repeat(120));
    stack.builtin = agent_harness::supervisor::builtin::Builtin::with_program(
        &stack.paths,
        env!("CARGO_BIN_EXE_agent-harness").into(),
    );
    assert!(stack.directory().socket().as_str().len() > 2 * 108);
    let status = stack.up().await.start(&[], Until::Settled).await.expect("started");
    assert_eq!(find(status, "one").state, ProcessState::Ready);
}

#[tokio::test]
async fn a_removed_socket_comes_back_and_a_removed_stack_ends() {
    let world = World::new();
    let stack = Stack::new(&world, vec![sh("one", "exec sleep 1000")]);
    let before = stack.up().await.start(&[], Until::Settled).await.expect("started");
    fs_err::remove_file(stack.directory().socket()).expect("a socket");
    let deadline = Instant::now() + Duration::from_secs(20);
    let after = loop {
        if let Some(mut client) = stack.builtin.connect(stack.spec.name).await.expect("no error") {
            break client.status().await.expect("a status");
        }
        assert!(Instant::now() < deadline, "no socket");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(after, before, "the same supervisor");
    // The supervisor may write while it is removed.
    let begun = std::time::Instant::now();
    while let Err(error) = fs_err::remove_dir_all(stack.directory().path()) {
        if error.kind() == std::io::ErrorKind::NotFound {
            break;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{error}");
        crate::world::wait::pause();
    }
    let pid = find(after.clone(), "one").pid.expect("it runs");
    for pid in [pid, after.keeper_pid, after.supervisor_pid] {
        while fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < deadline, "{pid} runs on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn ready_is_told_soon_after_it_is_so() {
    let world = World::new();
    let port = world.ports.at(6);
    // It writes down when it began to serve, since boot, as the machine counts.
    let note = world.path("note");
    let script = format!(
        "import time,socket\ntime.sleep(0.13)\ns=socket.create_server(('127.0.0.1',{port}))\n\
         open('{note}','w').write(str(time.time()))\n\
         while True: s.accept()[0].close()"
    );
    let stack = Stack::new(&world, vec![ready(python("served", &script), ReadyCheck::Tcp { port })]);
    let mut client = stack.up().await;
    // The machine may be busy with other tests: the best of several counts.
    let mut best = f64::MAX;
    for _ in 0..20 {
        let status = find(client.restart(&[], Until::Settled).await.expect("started"), "served");
        let served: f64 = fs_err::read_to_string(&note).expect("a note").parse().expect("a time");
        let started = status.started.expect("it runs").as_duration().as_secs_f64();
        let ready = started + f64::from(u32::try_from(status.ready_after_ms.expect("ready")).expect("soon")) / 1000.0;
        best = best.min(ready - served);
        if best < 0.03 {
            return;
        }
    }
    panic!("told {best} s after it served");
}

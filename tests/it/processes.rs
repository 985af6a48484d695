//! Log following, usage, sockets, probes and cgroups against real processes.

use std::{
    collections::BTreeSet,
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::MetadataExt as _,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use agent_harness::{
    config::paths::StackDir,
    process::{
        cgroup::Cgroup,
        follow::{Followers, PART_SIZE, part},
        logs::{self, Line, Tail},
        probe::{self, ProbeError},
        sockets, usage,
    },
};
use camino::Utf8PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::lease::Ports;

/// Long enough for anything here on a busy machine.
const LONG: Duration = Duration::from_mins(1);

/// A child that is ended with its whole group, and waited for, when the test ends.
struct Running(Child);

impl Running {
    #[expect(clippy::disallowed_methods, reason = "the processes under test are outside commands of the test")]
    fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().expect("a child"))
    }

    fn sh(script: &str) -> Self {
        Self::start(Command::new("sh").args(["-c", script]).stdin(Stdio::null()))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) {
        self.0.kill().expect("a kill");
        assert_eq!(self.0.wait().expect("an end").signal(), Some(9));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        // It may have ended before.
        if rustix::process::kill_process_group(group, rustix::process::Signal::KILL).is_ok() {
            drop(self.0.wait());
        }
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {LONG:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The directory of a stack with its folder of logs.
fn stack() -> (tempfile::TempDir, StackDir) {
    let directory = tempfile::Builder::new().prefix("stäck ").tempdir().expect("a directory");
    let stack = StackDir::new(Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("UTF-8"));
    fs_err::create_dir(stack.logs()).expect("a folder of logs");
    (directory, stack)
}

/// Lines as text without their stamps, of all parts of a log, oldest first.
fn logged(stack: &StackDir, process: &str) -> Vec<String> {
    let log = stack.log(process);
    let mut text = String::new();
    for path in (1..=9).rev().map(|number| part(&log, number)).chain([log.clone()]) {
        if path.exists() {
            text.push_str(&fs_err::read_to_string(path).expect("a log"));
        }
    }
    text.lines().map(|line| line.split_once(' ').map_or(line, |(_, line)| line).to_owned()).collect()
}

fn text(line: &Line) -> String {
    String::from_utf8_lossy(&line.text).into_owned()
}

/// Set for a run of this test binary that shall only follow the stack in this directory, until it is killed.
const FOLLOW: &str = "TEST_FOLLOW_STACK";

/// Not a test by itself: what the follower of the next test does in a process of its own.
#[tokio::test]
async fn follow_when_asked() {
    let Some(directory) = std::env::vars().find_map(|(name, value)| (name == FOLLOW).then_some(value)) else { return };
    let mut followers = Followers::new(StackDir::new(directory.into())).expect("followers");
    followers.add("app").expect("a follower");
    loop {
        followers.next().await.expect("a batch");
    }
}

fn follower(stack: &StackDir) -> Running {
    let binary = std::env::current_exe().expect("this binary");
    Running::start(
        Command::new(binary)
            .args(["--exact", "processes::follow_when_asked"])
            .env(FOLLOW, stack.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null()),
    )
}

#[tokio::test]
async fn no_line_is_lost_or_doubled_when_the_follower_is_killed_again_and_again() {
    const LINES: usize = 200_000;
    const KILLS: u32 = 40;
    let (_directory, stack) = stack();
    let raw = stack.raw_output("app");
    let output = std::fs::File::options().create(true).append(true).open(&raw).expect("the raw file");
    // Bursts of 10,000 lines with pauses, so that followers die in the stream as well as at its end.
    let script = format!(
        "i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo \"line $i of the application\"; \
         [ $((i % 10000)) -ne 0 ] || sleep 0.2; done; printf 'half a line'"
    );
    let mut writer = Running::start(Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).stdout(output));

    let (first, mut tail) = Tail::start(&stack, &["app".to_owned()], 10).expect("a tail");
    let mut read: Vec<String> = first.iter().map(text).collect();
    let mut kills = 0;
    while kills < KILLS || writer.0.try_wait().expect("a look").is_none() {
        let mut running = follower(&stack);
        // Deaths at all ages: before its first line, in the stream, at rest.
        let age = Duration::from_millis(5 + u64::from(kills * 37 % 120));
        let death = tokio::time::sleep(age);
        tokio::pin!(death);
        loop {
            tokio::select! {
                () = &mut death => break,
                lines = tail.next() => read.extend(lines.expect("lines").expect("logs that are there").iter().map(text)),
            }
        }
        running.kill();
        kills += 1;
    }
    assert!(writer.0.wait().expect("an end").success());

    let mut followers = Followers::new(stack.clone()).expect("followers");
    followers.add("app").expect("a follower");
    followers.ended("app").expect("the end");
    let mut expected: Vec<String> = (1..=LINES).map(|i| format!("line {i} of the application")).collect();
    expected.push("half a line".to_owned());
    assert_same(&logged(&stack, "app"), &expected, "the log");
    assert!(part(&stack.log("app"), 1).exists(), "{LINES} lines fill more than a part");
    assert!(fs_err::metadata(stack.log("app")).expect("the log").len() <= PART_SIZE);

    while read.len() < expected.len() {
        let lines = tokio::time::timeout(LONG, tail.next()).await.expect("the rest in time");
        read.extend(lines.expect("lines").expect("logs that are there").iter().map(text));
    }
    assert_same(&read, &expected, "what a reader saw");

    let kept = fs_err::metadata(&raw).expect("the raw file").blocks() * 512;
    assert!(kept <= 8192, "{kept} bytes of the raw output are left on the disk");
}

fn assert_same(found: &[String], expected: &[String], what: &str) {
    if let Some(at) = (0..found.len().max(expected.len())).find(|&at| found.get(at) != expected.get(at)) {
        panic!(
            "{what} differs at line {at}: {:?} instead of {:?}; {} lines instead of {}",
            found.get(at),
            expected.get(at),
            found.len(),
            expected.len()
        );
    }
}

#[tokio::test]
async fn lines_reach_the_supervisor_at_once_and_in_large_batches() {
    let (_directory, stack) = stack();
    let mut followers = Followers::new(stack.clone()).expect("followers");
    let output = followers.writer("app").expect("a handle");
    let mut child = Running::start(
        Command::new("sh")
            .args(["-c", "echo ready >&2; read go; i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo $i; done"])
            .stdin(Stdio::piped())
            .stderr(output.try_clone().expect("a second handle"))
            .stdout(output),
    );
    let first = tokio::time::timeout(LONG, followers.next()).await.expect("in time").expect("a batch");
    assert_eq!((first.process.as_str(), first.lines().collect::<Vec<_>>()), ("app", vec![&b"ready"[..]]));
    drop(child.0.stdin.take());
    let (mut lines, mut batches) = (0, 0);
    while lines < 5000 {
        let batch = tokio::time::timeout(LONG, followers.next()).await.expect("in time").expect("a batch");
        lines += batch.lines().count();
        batches += 1;
    }
    assert_eq!(lines, 5000);
    assert!(batches < 500, "{batches} batches for 5,000 lines");
}

#[tokio::test]
async fn the_last_lines_come_from_all_parts_and_from_what_nobody_took_over() {
    use std::io::Write as _;
    let (_directory, stack) = stack();
    let mut followers = Followers::new(stack.clone()).expect("followers");
    let long = "x".repeat(1000);
    let write = |followers: &mut Followers, process: &str, from: usize, to: usize| {
        let mut output = followers.writer(process).expect("a handle");
        for number in from..to {
            writeln!(output, "{number} {long}").expect("a write");
        }
    };
    write(&mut followers, "a", 0, 25_000);
    followers.ended("a").expect("taken over");
    write(&mut followers, "b", 0, 3);
    followers.ended("b").expect("taken over");
    assert!(part(&stack.log("a"), 2).exists());
    // Nobody takes these over.
    write(&mut followers, "a", 25_000, 25_010);
    followers.writer("a").expect("a handle").write_all(b"half").expect("a write");

    let number = |line: &Line| text(line).split(' ').next().unwrap_or_default().to_owned();
    assert_eq!(logs::processes(&stack).expect("names"), ["a", "b"]);
    let of = |names: &[&str], count| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        logs::last(&stack, &names, count).expect("lines")
    };
    let lines = of(&["a"], 22_000);
    assert_eq!(lines.len(), 22_000);
    assert_eq!(number(&lines[0]), (25_011 - 22_000).to_string());
    assert_eq!(lines.iter().rev().take(2).map(number).collect::<Vec<_>>(), ["half", "25009"]);
    assert!(lines[0].time.is_some() && lines[21_999].time.is_none());
    let both = of(&["a", "b"], 15);
    let owners: String = both.iter().map(|line| line.process.as_str()).collect();
    assert_eq!(owners, "abbbaaaaaaaaaaa", "b wrote after what was taken over of a, and before what was not");
    assert_eq!(of(&["none"], 15), []);
    assert_eq!(of(&["a"], 0), []);
}

#[tokio::test]
async fn a_reader_sees_what_is_written_while_no_follower_runs_and_not_again_later() {
    use std::io::Write as _;
    let (_directory, stack) = stack();
    let mut followers = Followers::new(stack.clone()).expect("followers");
    let mut output = followers.writer("app").expect("a handle");
    output.write_all(b"1\n2\n").expect("a write");
    followers.ended("app").expect("taken over");
    drop(followers);
    // As if killed after it wrote to the log and before it noted so: the next follower takes this back.
    let mut log = std::fs::File::options().append(true).open(stack.log("app")).expect("the log");
    log.write_all(b"2026-11-22T17:24:30.123Z 3\n").expect("a write");
    output.write_all(b"3\nhalf").expect("a write");
    let (first, mut tail) = Tail::start(&stack, &["app".to_owned()], 2).expect("a tail");
    assert_eq!(first.iter().map(text).collect::<Vec<_>>(), ["2", "3"]);
    output.write_all(b" 4\n5\n").expect("a write");
    let lines = tokio::time::timeout(LONG, tail.next()).await.expect("in time").expect("lines").expect("logs");
    assert_eq!(lines.iter().map(text).collect::<Vec<_>>(), ["half 4", "5"]);
    let mut followers = Followers::new(stack.clone()).expect("followers");
    followers.add("app").expect("a follower");
    followers.ended("app").expect("taken over");
    output.write_all(b"6\n").expect("a write");
    followers.ended("app").expect("taken over");
    let lines = tokio::time::timeout(LONG, tail.next()).await.expect("in time").expect("lines").expect("logs");
    assert_eq!(lines.iter().map(text).collect::<Vec<_>>(), ["6"]);
    fs_err::remove_dir_all(stack.path()).expect("a removal");
    let end = tokio::time::timeout(LONG, tail.next()).await.expect("in time").expect("an end");
    assert_eq!(end, None);
}

/// Answers every connection of `listener` with `answer`; with none it reads and never answers.
async fn serve(listener: TcpListener, answer: Option<&'static str>) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    let mut kept = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        match answer {
            Some(answer) => {
                let mut request = [0; 1024];
                if stream.read(&mut request).await.expect("a request") > 0 {
                    stream.write_all(answer.as_bytes()).await.expect("an answer");
                }
            }
            None => kept.push(stream),
        }
    }
}

#[tokio::test]
async fn probes_say_what_answers_and_why_not() {
    let ports = Ports::take();
    let url = |index: u16, path: &str| format!("http://localhost:{}{path}", ports.at(index));
    let limit = Duration::from_millis(300);
    let answers = [
        (6, "127.0.0.1", Some("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
        (7, "[::1]", Some("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n")),
        (8, "127.0.0.1", Some("HTTP/1.1 503 Service Unavailable\r\n\r\n")),
        (9, "127.0.0.1", None),
        (10, "127.0.0.1", Some("220 mail ready\r\n")),
        (11, "127.0.0.1", Some("")),
    ];
    let mut servers = tokio::task::JoinSet::new();
    for (index, host, answer) in answers {
        let listener = TcpListener::bind(format!("{host}:{}", ports.at(index))).expect("a listener");
        servers.spawn(serve(listener, answer));
    }
    let answer = probe::http(&url(6, "/health"), limit).await.expect("an answer");
    assert_eq!((answer.status, answer.address.ip().to_string().as_str()), (200, "127.0.0.1"));
    let answer = probe::http(&url(7, ""), limit).await.expect("an answer");
    assert_eq!((answer.status, answer.address.ip().to_string().as_str()), (302, "::1"));
    assert_eq!(probe::get(&url(8, ""), limit).await.expect("an answer").status, 503);
    for (index, expected) in [
        (8, "503"),
        (9, "no answer within 0.3 s"),
        (10, "the answer is not HTTP"),
        (11, "connection closed without an answer"),
        (12, "connection refused"),
    ] {
        let error = probe::http(&url(index, ""), limit).await.expect_err("no good answer");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(probe::tcp(ports.at(7), limit).await.expect("a listener").to_string(), "::1");
    assert_eq!(probe::tcp(ports.at(9), limit).await.expect("a listener").to_string(), "127.0.0.1");
    assert!(matches!(probe::tcp(ports.at(12), limit).await, Err(ProbeError::Refused)));
}

#[tokio::test]
async fn listeners_of_both_families_are_found_with_their_owners() {
    let ports = Ports::take();
    let v4 = TcpListener::bind(("127.0.0.1", ports.at(6))).expect("a listener");
    let v6 = TcpListener::bind(("::1", ports.at(6))).expect("a listener");
    let connection = TcpStream::connect(("127.0.0.1", ports.at(6))).expect("a connection");
    let found = sockets::listeners(ports.at(6)).expect("listeners");
    let addresses: Vec<String> = found.iter().map(|listener| listener.addr.to_string()).collect();
    assert_eq!(addresses, [v4.local_addr().expect("v4").to_string(), v6.local_addr().expect("v6").to_string()]);
    let own = std::process::id();
    for listener in &found {
        assert_eq!(listener.uid, rustix::process::getuid().as_raw());
        // A child that another test is just starting holds all our sockets until it executes.
        assert!(listener.pids.contains(&own), "{listener:?}");
        let owner = listener.owner.as_ref().expect("an owner");
        assert!(owner.name.contains("it-"), "{owner:?}");
    }
    let both = sockets::listeners_of(&[ports.at(6), ports.at(7)]).expect("listeners");
    assert_eq!(both.into_keys().collect::<Vec<_>>(), [ports.at(6)]);
    assert_eq!(sockets::taken(&[ports.at(6), ports.at(7)]).expect("ports"), BTreeSet::from([ports.at(6)]));
    let among = sockets::listeners_among(&[ports.at(6)], &BTreeSet::from([own])).expect("listeners");
    assert!(sockets::all_belong_to(&among[&ports.at(6)], &BTreeSet::from([own])));
    let stranger = BTreeSet::from([rustix::process::getppid().map_or(1, |pid| pid.as_raw_pid().unsigned_abs())]);
    let among = sockets::listeners_among(&[ports.at(6)], &stranger).expect("listeners");
    assert!(!sockets::all_belong_to(&among[&ports.at(6)], &stranger));
    assert!(among[&ports.at(6)].iter().all(|listener| listener.pids.contains(&own)));
    drop((connection, v4, v6));
    until("the port is free", || sockets::listeners(ports.at(6)).expect("listeners").is_empty()).await;
    assert_eq!(sockets::user_name(0).as_deref(), Some("root"));
}

#[tokio::test]
async fn usage_counts_the_work_of_children_that_ended() {
    // A child that works and is waited for, then a pause.
    let mut worker = Running::start(
        Command::new("sh")
            .args(["-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo done; read end"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let mut line = [0; 5];
    std::io::Read::read_exact(worker.0.stdout.as_mut().expect("a pipe"), &mut line).expect("a line");
    let idle = usage::over(&BTreeSet::from([worker.pid()]), Duration::from_millis(100)).await.expect("usage");
    assert!(idle.cpu_seconds >= 0.05, "{idle:?}");
    assert!(idle.cpu_percent < 50.0, "{idle:?}");
    let files = fs_err::read_dir(format!("/proc/{}/fd", worker.pid())).expect("its files").count() as u64;
    assert!(files >= 3);
    assert_eq!((idle.processes, idle.threads, idle.open_files, idle.memory_exact), (1, 1, Some(files), true));
    assert!((50_000..20_000_000).contains(&idle.memory_bytes), "{idle:?}");

    let busy = Running::sh("while :; do :; done");
    let pids = BTreeSet::from([worker.pid(), busy.pid(), u32::MAX / 2]);
    let usage = usage::over(&pids, Duration::from_millis(500)).await.expect("usage");
    assert_eq!(usage.processes, 2, "a pid that is gone is left out");
    assert!((5.0..130.0).contains(&usage.cpu_percent), "{usage:?}");
    let since_start = usage::sample([busy.pid()]).expect("a sample").usage(None);
    assert!((1.0..=130.0).contains(&since_start.cpu_percent), "{since_start:?}");
    drop(worker.0.stdin.take());
}

#[tokio::test]
async fn a_cgroup_ends_all_its_members() {
    let name = format!("agent-harness-test-{}", std::process::id());
    let cgroup = match Cgroup::create(&name) {
        Ok(cgroup) => cgroup,
        Err(reason) => {
            assert!(!rustix::process::geteuid().is_root() || reason.starts_with("no cgroup"), "{reason}");
            return;
        }
    };
    let reopened = Cgroup::open(cgroup.path().to_owned()).expect("the same cgroup");
    assert_eq!(reopened, Cgroup::create(&name).expect("the same cgroup again"));
    // Enters by itself, then leaves its session, so that no group or parent leads to it.
    let script = format!("echo 0 > '{}'; setsid sleep 1000 & sleep 1000", cgroup.entrance());
    let mut child = Running::sh(&script);
    until("three members", || cgroup.members().expect("members").len() == 3).await;
    let added = Running::sh("exec sleep 1000");
    cgroup.add(added.pid()).expect("added");
    assert!(cgroup.members().expect("members").contains(&added.pid()));
    assert!(cgroup.remove().is_err(), "it has members");
    cgroup.kill().expect("a kill");
    assert_eq!(child.0.wait().expect("an end").signal(), Some(9));
    until("no member", || cgroup.members().expect("members").is_empty()).await;
    cgroup.remove().expect("a removal");
    assert!(Cgroup::open(cgroup.path().to_owned()).is_none());
    assert!(cgroup.members().expect("none").is_empty());
}

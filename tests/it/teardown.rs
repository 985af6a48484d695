//! `teardown`: the machine before and after.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_harness::{
    config::paths::Paths,
    infra::postgres::{Server, Session},
    model::{secret::Secret, stack::StackName},
    process::{cgroup::Cgroup, sockets},
};
use camino::Utf8PathBuf;
use rustix::process::Signal;

use crate::{
    s3::raw::Signer,
    world::{postgres::id as agent_id, project::Project, run::Running},
};

/// All of this world that a teardown could forget.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    databases: BTreeSet<String>,
    roles: BTreeSet<String>,
    files: BTreeSet<String>,
    processes: BTreeSet<(u32, String)>,
    listening: BTreeSet<u16>,
    git: String,
    exclude: String,
    env_files: BTreeSet<String>,
    temporary: BTreeSet<String>,
    cgroups: BTreeSet<String>,
}

impl Machine {
    fn look(project: &Project) -> Self {
        // What the server itself writes and rotates; what is in it is asked from it.
        let own = |file: &String| !file.starts_with("infra/postgres/") && !file.starts_with("locks/");
        // The statistics of a listing come and go.
        let files = project.state_files().into_iter().filter(own).collect();
        let ports: Vec<u16> = (0..200).map(|index| project.world.ports.at(index)).collect();
        let names = |directory: &camino::Utf8Path| -> BTreeSet<String> {
            let entries = directory.read_dir_utf8().expect("a folder");
            entries.filter_map(|entry| Some(entry.ok()?.file_name().to_owned())).collect()
        };
        Self {
            databases: rows(project, "SELECT datname::text FROM pg_database"),
            roles: rows(project, "SELECT rolname::text FROM pg_roles"),
            files,
            processes: project.processes().into_iter().collect(),
            listening: sockets::taken(&ports).expect("the kernel's tables"),
            git: project.git(&["status", "--porcelain", "--ignored"]),
            exclude: fs_err::read_to_string(project.root.join(".git/info/exclude")).unwrap_or_default(),
            env_files: names(&project.root).into_iter().filter(|name| name.starts_with(".env")).collect(),
            temporary: names(&project.world.path("home")),
            cgroups: cgroups(project),
        }
    }
}

/// Those of this world's stacks, wherever in the kernel's hierarchies, without what changes as processes come and go.
fn cgroups(project: &Project) -> BTreeSet<String> {
    use sha2::Digest as _;
    let paths = Paths { state: project.world.path("state"), cache: project.world.path("cache") };
    let agents = (1..=9).map(|id| StackName::Agent(agent_id(id)));
    let name = |stack: StackName| format!("-{}", hex::encode(&sha2::Sha256::digest(paths.mark(stack))[..8]));
    let names: Vec<String> = agents.chain([StackName::Infra]).map(name).collect();
    let (mut open, mut found) = (vec![Utf8PathBuf::from("/sys/fs/cgroup")], BTreeSet::new());
    while let Some(directory) = open.pop() {
        // One that goes meanwhile is another world's.
        for entry in directory.read_dir_utf8().into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if names.iter().any(|name| entry.file_name().ends_with(name)) {
                    found.insert(entry.path().to_string());
                }
                open.push(entry.into_path());
            }
        }
    }
    found
}

/// The first column, asked by the superuser.
fn rows(project: &Project, sql: &str) -> BTreeSet<String> {
    let secrets = fs_err::read(project.world.path("state/infra/secrets.json")).expect("secrets");
    let secrets: serde_json::Value = serde_json::from_slice(&secrets).expect("JSON");
    let server = Server {
        host: "127.0.0.1".to_owned(),
        port: project.world.ports.at(0),
        superuser: "postgres".to_owned(),
        password: Secret::new(secrets["postgres"].as_str().expect("a password").to_owned()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let session = Session::maintenance(&server).await.expect("a session");
        let rows = session.texts("look", sql).await.expect("rows");
        session.close().await.expect("its end");
        rows.into_iter().filter_map(|row| row.into_iter().next()?.1).collect()
    })
}

/// Asks the page of an agent again and again, until told to stop; how often it answered.
fn client(port: u16, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut answers = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("a request");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
            answers += 1;
        }
        answers
    })
}

/// Leaves something in every service as agent `id`.
fn use_everything(project: &Project, id: u16) {
    project.sql(id, None, "INSERT INTO notes VALUES ('x')").exits(0);
    let signer = Signer {
        port: project.world.ports.at(1),
        access_key: project.env(id, "S3_ACCESS_KEY"),
        secret: project.env(id, "S3_SECRET_KEY"),
    };
    let answer = signer.send("PUT", &format!("/agent-{id}/folder/object"), b"content");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let script = "import os, smtplib\n\
        server = smtplib.SMTP('127.0.0.1', int(os.environ['MAIL_PORT']))\n\
        server.login(os.environ['MAIL_USER'], os.environ['MAIL_PASSWORD'])\n\
        server.sendmail('a@example.com', ['b@example.com'], 'Subject: hello\\r\\n\\r\\ntext\\r\\n')\n\
        server.quit()\n";
    project.ok(&["cli", &id.to_string(), "exec", "python3", "-c", script]);
}

#[test]
fn nothing_is_left_and_others_are_not_disturbed() {
    let project = Project::all_services();
    let exclude = fs_err::read_to_string(project.root.join(".git/info/exclude")).unwrap_or_default();
    project.ok(&["launch", "2"]);
    use_everything(&project, 2);
    let before = Machine::look(&project);

    project.ok(&["launch", "1"]);
    use_everything(&project, 1);
    // What the app starts and lets go of belongs to the agent too.
    project.ok(&["cli", "1", "stats"]);
    let during = Machine::look(&project);
    assert!(during.databases.contains("agent_1") && during.roles.contains("agent_1"));
    assert!(during.env_files.contains(".env.agent.1"));
    if Cgroup::create("agent-harness-test").is_ok_and(|cgroup| cgroup.remove().is_ok()) {
        assert_eq!(during.cgroups.len(), before.cgroups.len() + 1, "{:?}", during.cgroups);
    }
    let of_1 = |file: &&String| file.contains("agent-1") || file.starts_with("agents/1");
    assert!(during.files.iter().filter(of_1).count() > 10, "{during:#?}");
    assert_eq!(project.git(&["status", "--porcelain"]), "", "git ignores what is ours");

    let stop = Arc::new(AtomicBool::new(false));
    let client = client(project.port(2, 0), Arc::clone(&stop));
    let pids = project.pids(2);
    let torn = project.json(&["teardown", "1", "--json"]);
    stop.store(true, Ordering::Relaxed);
    assert!(client.join().expect("no interruption") > 0);
    assert_eq!(project.pids(2), pids);
    let removed: Vec<&str> =
        torn[0]["removed"].as_array().expect("a list").iter().filter_map(serde_json::Value::as_str).collect();
    for what in ["processes and logs", "database agent_1", "role agent_1", "bucket and key agent-1", "mailbox agent-1"]
    {
        assert!(removed.contains(&what), "{removed:?}");
    }
    let after = Machine::look(&project);
    assert_eq!(after, before);
    project.ok(&["cli", "2", "health"]);
    project.run(&["cli", "1", "status"]).exits(1);

    // Again, and one that never was: nothing there, nothing made.
    project.ok(&["teardown", "1"]).says(&["Agent 1 is gone: there was nothing"]);
    project.ok(&["teardown", "9"]).says(&["Agent 9 is gone: there was nothing"]);
    assert_eq!(Machine::look(&project), before);

    // Without its record, and without its key and mailbox files being told of.
    project.ok(&["launch", "1"]);
    use_everything(&project, 1);
    fs_err::remove_dir_all(project.world.path("state/agents/1")).expect("its record");
    project.ok(&["teardown", "1"]);
    assert_eq!(Machine::look(&project), before);

    // After half a launch, wherever it was cut off.
    for count in 1..6 {
        let mut launch = project.start(&["launch", "1"]);
        for _ in 0..count {
            launch.line();
        }
        launch.signal(if count % 2 == 0 { Signal::INT } else { Signal::KILL });
        Running::wait(launch);
        project.ok(&["teardown", "1"]);
        assert_eq!(Machine::look(&project), before, "after {count} lines");
    }

    // All at once: what is left is the infra with its template.
    project.ok(&["launch", "1"]);
    project.ok(&["teardown", "--all"]).says(&["Agent 1 is gone", "Agent 2 is gone"]);
    let after = Machine::look(&project);
    assert!(!after.databases.iter().chain(&after.roles).any(|name| name.starts_with("agent_") && name.len() < 8));
    assert_eq!(after.exclude, exclude);
    assert_eq!(after.env_files, BTreeSet::new());
    let left: Vec<_> = after.files.iter().filter(|file| file.contains("agent-1") || file.contains("agent-2")).collect();
    assert_eq!(left, Vec::<&String>::new());
    project.ok(&["teardown", "--all"]);
    project.run(&["teardown"]).exits(2);
    project.run(&["teardown", "1", "--all"]).exits(2);
}

/// A teardown after a setup that was cut off: there is no server yet that could be asked, or only half of one.
#[test]
fn half_a_setup_is_torn_down_too() {
    let project = Project::guestbook();
    for (count, signal) in [(0, Signal::KILL), (3, Signal::KILL), (4, Signal::INT)] {
        let mut launch = project.start(&["launch", "1"]);
        for _ in 0..count {
            launch.line();
        }
        launch.signal(signal);
        launch.wait();
        project.ok(&["teardown", "1"]);
        let left: Vec<String> = project.state_files().into_iter().filter(|file| file.starts_with("agents/")).collect();
        assert_eq!(left, Vec::<String>::new());
    }
    project.ok(&["launch", "1"]);
}

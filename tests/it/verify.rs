//! `verify`: the verdict, what is run, and that nothing of it is left.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::world::{
    project::Project,
    run::{Ran, until},
};

/// Longest time for something to show that is on its way.
const SOON: Duration = Duration::from_mins(1);

/// An app without services whose only process is a sleep, and these stages.
fn project(stages: &str) -> Project {
    let manifest = format!(
        "name = \"verified\"\n[infra]\nservices = []\n[env]\nWHO = \"{{{{ name }}}}\"\n\
         [[process]]\nname = \"idle\"\nrun = \"sleep 1000\"\n{stages}"
    );
    let project = Project::with(&manifest);
    project.ok(&["launch", "1"]);
    project
}

/// The verdict, which is the whole of stdout and agrees with the exit code.
fn verdict(ran: &Ran) -> Value {
    let verdict = ran.json();
    let expected = if verdict["status"] == "pass" { Some(0) } else { Some(1) };
    assert_eq!(ran.code, expected, "{}\n{}", ran.out, ran.err);
    verdict
}

fn names(list: &Value) -> Vec<(&str, &str)> {
    let list = list.as_array().expect("a list");
    list.iter().map(|entry| (entry["name"].as_str().expect("a name"), entry["status"].as_str().expect("one"))).collect()
}

fn log(task: &Value) -> String {
    fs_err::read_to_string(task["log"].as_str().expect("a log")).expect("the log")
}

#[test]
fn the_verdict_is_the_specifications() {
    let project = project(
        "[[verify.stage]]\nname = \"typecheck\"\n[verify.stage.tasks]\n\
         one = \"sh -c 'echo $WHO in $PWD with [$OWN]; cat; env'\"\n\
         two = { run = \"sh -c 'pwd; echo $OWN'\", cwd = \"public\", env = { OWN = \"own of {{ id }}\" } }\n\
         [[verify.stage]]\nname = \"lint\"\ntasks = { all = \"true\" }\n\
         [[verify.stage]]\nname = \"smoke\"\nfull = true\ntasks = { all = \"false\" }\n",
    );
    // From another folder, with an environment that must not matter.
    let mut command = project.command(&["verify", "1"]);
    command.current_dir(project.world.path("home")).env("WHO", "someone").env("OWN", "theirs").env("SECRET_X", "1");
    let ran = crate::world::run::run(&mut command).exits(0);
    let verdict = verdict(&ran);
    let keys: Vec<&String> = verdict.as_object().expect("an object").keys().collect();
    assert_eq!(keys[..3], ["status", "stages", "total_duration_ms"]);
    assert_eq!(names(&verdict["stages"]), [("typecheck", "pass"), ("lint", "pass")]);
    for stage in verdict["stages"].as_array().expect("stages") {
        let keys: Vec<&String> = stage.as_object().expect("an object").keys().collect();
        assert_eq!(keys[..3], ["name", "status", "duration_ms"]);
        assert!(stage["duration_ms"].is_u64() && verdict["total_duration_ms"].is_u64());
    }
    assert_eq!(verdict["first_error"], Value::Null);
    assert_eq!(verdict["skipped"], json!([]));
    assert_eq!((&verdict["agent"], &verdict["workdir"]), (&json!(1), &json!(project.root)));
    let tasks = &verdict["stages"][0]["tasks"];
    assert_eq!(names(tasks), [("one", "pass"), ("two", "pass")]);
    assert_eq!((&tasks[0]["exit_code"], &tasks[0]["signal"]), (&json!(0), &Value::Null));
    let one = log(&tasks[0]);
    assert!(one.starts_with(&format!("agent-1 in {} with []\n", project.root)), "{one}");
    assert!(!one.contains("SECRET_X") && !one.contains("AGENT_DB_PORT") && !one.contains("NO_COLOR"), "{one}");
    assert_eq!(log(&tasks[1]), format!("{}/public\nown of 1\n", project.root));
    let mode = fs_err::metadata(tasks[0]["log"].as_str().expect("a log")).expect("the log");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    ran.says(&["task typecheck/one", "task lint/all", "verify passed"]);

    // The stage for --full comes last.
    let full = project.run(&["verify", "1", "--full"]).exits(1).json();
    assert_eq!(names(&full["stages"]), [("typecheck", "pass"), ("lint", "pass"), ("smoke", "fail")]);
    project.ok(&["teardown", "1"]);
    assert!(!project.world.path("state/agents/1").exists());
}

#[test]
fn the_first_stage_that_fails_is_the_last_and_names_the_error() {
    let project = project(
        "[[verify.stage]]\nname = \"lint\"\n[verify.stage.tasks]\n\
         good = \"true\"\n\
         bad = { run = \"sh -c 'printf \\\"\\\\033[31mindex.html:7:3: error: no doctype\\\\033[0m\\\\n\\\"; exit 3'\", cwd = \"public\" }\n\
         worse = \"no-such-program\"\n\
         killed = \"sh -c 'echo last words; kill -9 $$'\"\n\
         late = { run = \"sleep 1000\", timeout = \"300ms\" }\n\
         [[verify.stage]]\nname = \"never\"\ntasks = { all = \"touch never\" }\n",
    );
    let ran = project.run(&["verify", "1"]).exits(1);
    let verdict = verdict(&ran);
    assert_eq!(names(&verdict["stages"]), [("lint", "fail")]);
    assert_eq!(verdict["skipped"], json!(["never"]));
    assert!(!project.root.join("never").exists());
    let error = json!({ "stage": "lint", "task": "bad", "file": "public/index.html", "line": 7, "column": 3, "message": "no doctype" });
    assert_eq!(verdict["first_error"], error);
    let tasks = verdict["stages"][0]["tasks"].as_array().expect("tasks");
    let task = |name: &str| tasks.iter().find(|task| task["name"] == name).expect("that task");
    assert_eq!(task("bad")["exit_code"], 3);
    ran.says(&["index.html:7:3: error: no doctype", "lint.bad.log", "verify failed at lint"]);
    // Two run at once on two cores: which of the others were started before the first failed is the machine's matter.
    for (name, message) in
        [("worse", "no-such-program"), ("killed", "last words"), ("late", "did not end within 0.3 s")]
    {
        match task(name)["status"].as_str() {
            Some("skipped") => assert_eq!(task(name)["log"], Value::Null),
            Some("fail") => {
                let error = &task(name)["first_error"];
                assert!(error["message"].as_str().expect("one").contains(message), "{error}");
                assert_eq!(error["file"], Value::Null);
            }
            other => panic!("{name} is {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_verified_is_said() {
    let project = project("");
    project.run(&["verify", "1"]).exits(2).says(&["has no [[verify.stage]]"]);
    project.run(&["verify", "2"]).exits(1).says(&["agent 2 is not launched", "agent-harness launch 2"]);
    project.run(&["verify"]).exits(2).says(&["launched: 1 in"]);
    project.edit_manifest("[infra]", "[[verify.stage]]\nname = \"a\"\nfull = true\ntasks = { a = \"true\" }\n[infra]");
    project.run(&["verify", "1"]).exits(2).says(&["for --full only"]);
    project.ok(&["verify", "1", "--full"]);
}

/// Leaves group, session and family; on request its environment and its output too. Then it stays for long.
const ESCAPE: &str = "import os, sys, time\n\
    if os.fork() == 0:\n    \
        os.setsid()\n    \
        if os.fork() == 0:\n        \
            open(sys.argv[2], 'w').close()\n        \
            if sys.argv[1] == 'naked':\n            \
                null = os.open('/dev/null', os.O_RDWR)\n            \
                [os.dup2(null, n) for n in (0, 1, 2)]\n        \
            env = {} if sys.argv[1] == 'naked' else os.environ\n        \
            os.execve('/bin/sh', ['sh', '-c', 'while :; do sleep 1000; done', sys.argv[2]], env)\n    \
        os._exit(0)\n\
    os.wait()\n\
    if len(sys.argv) == 3:\n    time.sleep(1000)\n";

/// A stage of two tasks that stay: one that lets `kind` of a process escape, and one that ignores what asks it to end.
fn staying(kind: &str) -> String {
    format!(
        "[[verify.stage]]\nname = \"stays\"\n[verify.stage.tasks]\n\
         escaping = \"python3 escape.py {kind} {{{{ workdir }}}}/escaped\"\n\
         deaf = \"sh -c 'trap : TERM INT; touch deaf; while :; do sleep 0.05; done'\"\n"
    )
}

/// Starts a `verify` and waits until both tasks of [`staying`] stay.
fn start(project: &Project) -> crate::world::run::Running {
    for file in ["escaped", "deaf"] {
        fs_err::remove_file(project.root.join(file)).unwrap_or_default();
    }
    let running = project.start(&["verify", "1"]);
    let both = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    until("both tasks", SOON, || {
        let deaf = !both || project.root.join("deaf").exists();
        (project.root.join("escaped").exists() && deaf).then_some(())
    });
    running
}

fn pids(project: &Project) -> Vec<u32> {
    let mut pids: Vec<u32> = project.processes().into_iter().map(|(pid, _)| pid).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn interrupted_it_leaves_nothing() {
    let project = project(&staying("naked"));
    project.write("escape.py", ESCAPE);
    let before = pids(&project);
    for signal in [Signal::INT, Signal::TERM] {
        let running = start(&project);
        running.signal(signal);
        let ran = running.wait().exits(130).says(&["interrupted"]);
        assert_eq!(ran.out, "", "there is no verdict");
        assert_eq!(pids(&project), before, "{:?}", project.processes());
    }
    // Nor does a task that ends by itself: what it started is ended with it.
    project.edit_manifest("/escaped\"", "/escaped done\"");
    project.edit_manifest("while :; do sleep 0.05; done", "true");
    project.ok(&["verify", "1"]);
    assert_eq!(pids(&project), before, "{:?}", project.processes());
}

#[test]
fn killed_it_leaves_nothing_for_long() {
    let project = project(&staying("dressed"));
    project.write("escape.py", ESCAPE);
    let before = pids(&project);
    // Its guard ends the tasks.
    let running = start(&project);
    running.signal(Signal::KILL);
    drop(running);
    until("the guard has done its work", SOON, || (pids(&project) == before).then_some(()));

    // Without its guard the next one does.
    let orphans = |project: &Project| {
        let running = start(project);
        let (guard, _) = project.processes().into_iter().find(|(_, line)| line.contains(" guard ")).expect("a guard");
        let guard = i32::try_from(guard).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(guard, Signal::KILL).expect("it runs");
        running.signal(Signal::KILL);
        drop(running);
        assert_ne!(pids(project), before, "somebody ended them");
    };
    orphans(&project);
    let manifest = fs_err::read_to_string(project.root.join("agent-harness/harness.toml")).expect("a manifest");
    let stages = &manifest[manifest.find("[verify.stage.tasks]").expect("tasks")..];
    project.edit_manifest(stages, "tasks = { quick = \"true\" }\n");
    project.ok(&["verify", "1"]);
    assert_eq!(pids(&project), before, "{:?}", project.processes());

    // So does a teardown.
    project.edit_manifest("tasks = { quick = \"true\" }\n", stages);
    orphans(&project);
    project.ok(&["teardown", "1"]);
    assert_eq!(project.processes(), []);
}

#[test]
fn one_at_a_time_changes_or_verifies_an_agent() {
    let project = project(&staying("dressed"));
    project.write("escape.py", ESCAPE);
    let running = start(&project);
    let others = [["verify", "1"], ["teardown", "1"], ["launch", "1"]].map(|args| project.start(&args));
    for other in others {
        let ran = other.wait().exits(4).says(&["`verify 1` (pid "]);
        assert_eq!(ran.out, "");
    }
    running.signal(Signal::INT);
    running.wait().exits(130);
}

/// The verdict of a run that passes.
fn passes(project: &Project) -> Value {
    verdict(&project.ok(&["verify", "1"]))
}

#[test]
fn tests_are_about_what_changed_and_about_everything_when_that_is_unknown() {
    let project = project(
        "[verify]\nall_on_change = [\"lock/**\", \"*.toml\"]\n\
         [[verify.stage]]\nname = \"test-unit\"\n\
         [verify.stage.tasks.unit]\nrun = \"echo everything\"\nchanged = \"echo since {{ verify.base }}\"\n",
    );
    let everything = |because: &str| {
        let verdict = passes(&project);
        let task = &verdict["stages"][0]["tasks"][0];
        assert_eq!((&task["scope"], &*log(task)), (&json!("everything"), "everything\n"));
        let why = verdict["everything_because"].as_str().expect("a reason");
        assert!(why.contains(because), "{why}");
        assert_eq!(verdict["compared_with"], Value::Null);
    };
    let since = |branch: &str, commit: &str, files: usize| {
        let ran = project.ok(&["verify", "1"]);
        let verdict = verdict(&ran);
        let task = &verdict["stages"][0]["tasks"][0];
        assert_eq!((&task["scope"], log(task)), (&json!("changed"), format!("since {commit}\n")));
        assert_eq!(verdict["compared_with"], json!({ "branch": branch, "commit": commit, "files": files }));
        assert_eq!(verdict["everything_because"], Value::Null);
        ran.says(&["Tests what changed since"]);
    };
    let head = || project.git(&["rev-parse", "HEAD"]).trim_end().to_owned();
    let commit = |what: &str| {
        project.git(&["add", "--all"]);
        project.git(&["commit", "--quiet", "--message", what]);
    };
    // The base itself, with a committed change and with another one.
    project.write("public/index.html", "hello again\n");
    commit("on main");
    everything("main is itself what would be compared with");
    project.write("public/index.html", "hello\n");
    everything("main is itself what would be compared with");
    commit("on main too");
    let main = head();
    // A branch: nothing, edited, committed, unknown to git.
    project.git(&["switch", "--quiet", "--create", "work"]);
    everything("nothing differs from main");
    project.write("public/index.html", "edited\n");
    since("main", &main, 1);
    commit("work");
    since("main", &main, 1);
    project.write("public/new\nfile ü.html", "new\n");
    since("main", &main, 2);
    commit("more work");
    // The base moved on.
    project.git(&["switch", "--quiet", "main"]);
    project.write("public/other.html", "other\n");
    commit("on main once more");
    project.git(&["switch", "--quiet", "work"]);
    since("main", &main, 2);
    // What everything depends on.
    project.write("lock/deep/file", "1\n");
    everything("lock/deep/file changed");
    fs_err::remove_dir_all(project.root.join("lock")).expect("a folder");
    // The remote's default branch comes before a local one.
    let first = project.git(&["rev-list", "--max-parents=0", "HEAD"]).trim_end().to_owned();
    project.git(&["update-ref", "refs/remotes/origin/trunk", &first]);
    project.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"]);
    since("origin/trunk", &first, 2);
    project.git(&["switch", "--quiet", "main"]);
    since("origin/trunk", &first, 1);
    // Unknown: no such branch, nothing in common, no git.
    project.git(&["switch", "--quiet", "--orphan", "apart"]);
    project.git(&["checkout", "--quiet", "main", "--", "."]);
    commit("apart");
    everything("HEAD and origin/trunk have no commit in common");
    project.edit_manifest("[verify]\n", "[verify]\nbase = \"nowhere\"\n");
    everything("there is no branch nowhere");
    fs_err::rename(project.root.join(".git/objects"), project.root.join(".git/gone")).expect("a folder");
    everything("git cannot say what changed");
    fs_err::rename(project.root.join(".git/gone"), project.root.join(".git/objects")).expect("a folder");
}

#[test]
fn a_pass_that_tested_nothing_is_no_silent_pass() {
    let project = project(
        "[[verify.stage]]\nname = \"test-unit\"\n[verify.stage.tasks]\n\
         unit = { run = \"sh -c 'echo 1..0; echo \\\"# tests $TESTS\\\"'\", env = { TESTS = \"0\" } }\n",
    );
    let ran = project.ok(&["verify", "1"]);
    assert_eq!(verdict(&ran)["stages"][0]["tasks"][0]["notice"], "it ended with 0, and no test was run");
    ran.says(&["no test was run"]);
    project.edit_manifest("env = {", "expect = \"^# tests [1-9]\", env = {");
    let failed = verdict(&project.run(&["verify", "1"]));
    let message = failed["first_error"]["message"].as_str().expect("a message");
    assert!(message.contains("no line of its output matches `^# tests [1-9]`"), "{message}");
    project.edit_manifest("TESTS = \"0\"", "TESTS = \"12\"");
    assert_eq!(passes(&project)["stages"][0]["tasks"][0]["notice"], Value::Null);
}

#[test]
fn a_printed_path_is_the_file_that_exists() {
    let project = project("[[verify.stage]]\nname = \"typecheck\"\ntasks = { all = \"cat said; false\" }\n");
    for (name, folder) in [("@app/api", "packages/api"), ("@app/web", "packages/web")] {
        project.write(&format!("{folder}/package.json"), &format!("{{\"name\":\"{name}\"}}"));
        project.write(&format!("{folder}/src/index.ts"), "");
    }
    project.write("packages/web/src/only.ts", "");
    let error = |command: &str, said: &str| {
        project.write("said", said);
        let manifest = fs_err::read_to_string(project.root.join("agent-harness/harness.toml")).expect("a manifest");
        let from = &manifest[manifest.find("tasks = {").expect("tasks")..];
        project.edit_manifest(from, &format!("tasks = {{ all = {command} }}\n"));
        let verdict = verdict(&project.run(&["verify", "1"]));
        (verdict["first_error"]["file"].clone(), verdict["first_error"]["message"].clone())
    };
    let plain = "\"sh -c 'cat said; exit 2'\"";
    let line = "src/index.ts(3,4): error TS1: x\n";
    // The package is named by what npm says first, by the line, by the command, by the task's folder.
    let banner = format!("> @app/api@1.0.0 typecheck\n> tsc\n\n> @app/web@1.0.0 typecheck\n> tsc\n\n{line}");
    assert_eq!(error(plain, &banner), (json!("packages/web/src/index.ts"), json!("TS1: x")));
    assert_eq!(error(plain, &format!("packages/web typecheck: {line}")).0, "packages/web/src/index.ts");
    for named in ["-w @app/web", "--filter=web", "-C packages/web", "-F ./packages/web..."] {
        let command = format!("\"sh -c 'cat said; exit 2' {named}\"");
        assert_eq!(error(&command, line).0, "packages/web/src/index.ts", "{named}");
    }
    let there = "{ run = \"sh -c 'cat ../../said; exit 2'\", cwd = \"packages/web\" }";
    assert_eq!(error(there, line).0, "packages/web/src/index.ts");
    // Named by nobody: the only one there is, or none.
    assert_eq!(error(plain, "src/only.ts(3,4): error TS1: x\n").0, "packages/web/src/only.ts");
    assert_eq!(error(plain, line), (Value::Null, json!("TS1: x")));
    assert_eq!(error(plain, "src/gone.ts(3,4): error TS1: x\n"), (Value::Null, json!("TS1: x")));
    // One that is there comes before one that is not; outside of the workdir is absolute.
    let both =
        "../x.ts(3,4): error TS1: x\nsrc/gone.ts(3,4): error TS2: y\npackages/web/src/only.ts:1:2 - error TS3: z\n";
    assert_eq!(error(plain, both), (json!("packages/web/src/only.ts"), json!("TS3: z")));
    let own = format!("{}/said:1:2: error: x\n", project.root.join("packages/web/src/..").join("../.."));
    assert_eq!(error(plain, &own.replace("said", "packages/web/src/only.ts")).0, "packages/web/src/only.ts");
    // Nothing that is known: its last words.
    assert_eq!(error(plain, "it is\n\nhopeless\n\n"), (Value::Null, json!("hopeless")));
    assert_eq!(error(plain, ""), (Value::Null, json!("it ended with exit code 2")));
}

#[test]
fn tasks_run_at_once_where_there_is_room() {
    let project = project(
        "[[verify.stage]]\nname = \"a\"\n[verify.stage.tasks]\n\
         one = { run = \"sh -c 'mkdir taken && sleep 0.2 && rmdir taken'\", memory = \"1000g\" }\n\
         two = { run = \"sh -c 'mkdir taken && sleep 0.2 && rmdir taken'\", memory = \"1000g\" }\n",
    );
    passes(&project);
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1) {
        // Each waits for the other.
        let wait =
            |own: &str, other: &str| format!("\"sh -c 'touch {own}; until [ -e {other} ]; do sleep 0.02; done'\"");
        let manifest = fs_err::read_to_string(project.root.join("agent-harness/harness.toml")).expect("a manifest");
        let from = &manifest[manifest.find("one = {").expect("tasks")..];
        let to = format!(
            "one = {{ run = {}, memory = \"1m\", timeout = \"1m\" }}\ntwo = {{ run = {}, memory = \"1m\", timeout = \"1m\" }}\n",
            wait("first", "second"),
            wait("second", "first")
        );
        project.edit_manifest(from, &to);
        passes(&project);
    }
}

#[test]
fn a_stage_that_needs_the_agent_says_that_it_does_not_run() {
    let project = project("[[verify.stage]]\nname = \"smoke\"\nfull = true\ntasks = { smoke = \"false\" }\n");
    let verdict_of = || verdict(&project.run(&["verify", "1", "--full"]).exits(1));
    assert_eq!(verdict_of()["stages"][0]["tasks"][0]["notice"], Value::Null);
    project.edit_manifest("run = \"sleep 1000\"", "run = \"false\"\nrestart = \"never\"");
    // Whether the launch still saw it run is no matter here.
    project.run(&["launch", "1", "--update"]);
    until("the process has ended", SOON, || (project.run(&["status", "1"]).code == Some(1)).then_some(()));
    let verdict = verdict_of();
    let notice = verdict["stages"][0]["tasks"][0]["notice"].as_str().expect("a notice");
    assert!(notice.contains("agent 1 is unwell") && notice.contains("agent-harness launch 1"), "{notice}");
}

#[test]
fn in_an_agents_own_worktree_its_tree_is_meant() {
    let project = Project::with(
        "name = \"verified\"\n[infra]\nservices = []\n[[process]]\nname = \"idle\"\nrun = \"sleep 1000\"\n\
         [[verify.stage]]\nname = \"lint\"\ntasks = { lint = \"sh -c 'pwd; test ! -e broken'\" }\n",
    );
    let worktree = project.world.path("the worktree");
    project.git(&["worktree", "add", "--quiet", worktree.as_str(), "-b", "work"]);
    let in_worktree = |args: &[&str], folder: &str| {
        let mut command = project.command(args);
        crate::world::run::run(command.current_dir(worktree.join(folder)))
    };
    in_worktree(&["launch", "1"], "").exits(0);
    project.ok(&["launch", "2"]);
    fs_err::write(worktree.join("broken"), "").expect("a file");
    let own = verdict(&in_worktree(&["verify"], "public").exits(1));
    assert_eq!((&own["agent"], &own["workdir"]), (&json!(1), &json!(worktree)));
    // Of the other agent from there, and of this one from elsewhere.
    let other = verdict(&in_worktree(&["verify", "2"], "").exits(0));
    assert_eq!((&other["agent"], &other["workdir"]), (&json!(2), &json!(project.root)));
    let own = verdict(&project.run(&["verify", "1"]).exits(1));
    assert_eq!(own["workdir"], json!(worktree));
    let ran = project.run(&["verify"]).exits(2);
    let both = format!("launched: 1 in {worktree}, 2 in {}", project.root);
    assert!(ran.err.contains(&both), "{}", ran.err);
}

#[test]
fn an_app_without_node_is_verified_too() {
    let project = Project::guestbook();
    project.ok(&["launch", "1"]);
    assert_eq!(names(&passes(&project)["stages"]), [("test-unit", "pass")]);
    let test = "tests/test_guestbook.py";
    let whole = fs_err::read_to_string(project.root.join(test)).expect("a test");
    let wrong = whole.replace("hello there!\")", "hello\")");
    let line = wrong.lines().position(|line| line.contains("\"hello\")")).expect("the line") + 1;
    project.write(test, &wrong);
    let verdict = verdict(&project.run(&["verify", "1"]).exits(1));
    let error = &verdict["first_error"];
    assert_eq!((&error["stage"], &error["file"], &error["line"]), (&json!("test-unit"), &json!(test), &json!(line)));
    assert!(error["message"].as_str().expect("a message").starts_with("AssertionError: 'hello there!'"), "{error}");
}

//! `launch --claude` and `attach`: a coding agent in a real tmux, with exactly the agent's environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::Duration,
};

use crate::world::{
    project::Project,
    run::{Ran, run, until},
};

/// Longest time for a session to do what it is waited for.
const LIMIT: Duration = Duration::from_mins(1);

/// An app without services, and a coding agent that tells what it was given and answers what is typed.
const MANIFEST: &str = r#"
name = "talk"
[ports]
web = 4000
[urls]
web = "http://localhost:{{ ports.web }}/"
[infra]
services = []
[env]
PORT = "{{ ports.web }}"
APP_SECRET = "the secret of the app"
[[process]]
name = "web"
run = "python3 -u -m http.server --bind 127.0.0.1 {{ ports.web }}"
cwd = "public"
ready = { http = "/", port = "web", timeout = "60s" }
[session]
run = "sh talk.sh --id {{ id }} 'two words; #(touch x)'"
install = "apt-get install python3"
"#;

/// One child leaves the session and its family, as a daemon does.
const TALK: &str = r#"
setsid sleep 1000 &
cat "/proc/$$/environ" >told.env
{ pwd; for word in "$@"; do echo "$word"; done; } >told.args
echo $$ >told.new
mv told.new told.pid
echo "who is there?"
while read -r name; do echo "hello $name" | tr a-z A-Z; done
"#;

/// Attaches in a terminal, says something, waits for the answer and detaches.
const VISIT: &str = r#"
import os, pty, select, subprocess, sys, time
name, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
def expect(text):
    seen, deadline = b"", time.monotonic() + 60
    while text not in seen:
        if not select.select([terminal], [], [], deadline - time.monotonic())[0]:
            sys.exit(f"no {text} in {seen}")
        seen += os.read(terminal, 4096)
expect(b"who is there?")
os.write(terminal, name.encode() + b"\r")
expect(b"HELLO " + name.upper().encode())
subprocess.run(["tmux", "detach-client", "-s", "=agent-1"], check=True)
expect(b"detached")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

struct Talk(Project);

impl Talk {
    fn new() -> Self {
        let project = Project::with(MANIFEST);
        project.write("talk.sh", TALK);
        project.write(".gitignore", "told.*\n");
        fs_err::create_dir(project.world.path("tmux")).expect("a folder");
        Self(project)
    }

    /// As from a person's shell, with a secret that is nobody's business.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.0.command(args);
        command.env("TMUX_TMPDIR", self.0.world.path("tmux")).env("TERM", "xterm").env("SHELL_TOKEN", "not for agents");
        command.env("SSH_AUTH_SOCK", "/tmp/an agent of keys");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    fn tmux(&self, args: &[&str]) -> Ran {
        let mut command = Command::new("tmux");
        let path = self.command(&[]);
        command.env_clear().envs(path.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(command.args(args).env("PORT", "9999").current_dir(&self.0.root))
    }

    /// Ends the person's server. On its way out it takes the socket with it, so the next one must come after.
    fn end_server(&self) {
        self.tmux(&["kill-server"]).exits(0);
        self.until_no_server();
    }

    fn until_no_server(&self) {
        let is_server = |(_, command): &(u32, String)| command.starts_with("tmux") || command.contains("/tmux -u");
        until("the server ends", LIMIT, || (!self.0.processes().iter().any(is_server)).then_some(()));
    }

    fn sessions(&self) -> BTreeSet<String> {
        let listed = self.tmux(&["list-sessions", "-F", "#{session_name}"]);
        listed.out.lines().map(str::to_owned).collect()
    }

    /// Waits until the coding agent runs; its pid.
    fn pid(&self) -> u32 {
        let path = self.0.root.join("told.pid");
        let text = until("the coding agent starts", LIMIT, || fs_err::read_to_string(&path).ok());
        fs_err::remove_file(path).expect("the file");
        text.trim().parse().expect("a pid")
    }

    /// What the coding agent was given.
    fn env(&self) -> BTreeMap<String, String> {
        variables(&fs_err::read_to_string(self.0.root.join("told.env")).expect("an environment"))
    }
}

fn variables(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split_terminator('\0').filter_map(|variable| variable.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_session_has_the_environment_of_the_agent_and_ends_with_it() {
    let talk = Talk::new();
    // The person's own server, which was started with something else in its environment.
    talk.tmux(&["new-session", "-d", "-s", "own work"]).exits(0);
    let launched = talk.run(&["launch", "1", "--claude"]).exits(0);
    assert!(
        launched.err.contains("Its session agent-1 was started. Attach: agent-harness attach 1"),
        "{}",
        launched.err
    );
    let pid = talk.pid();
    let args = fs_err::read_to_string(talk.0.root.join("told.args")).expect("arguments");
    assert_eq!(args, format!("{}\n--id\n1\ntwo words; #(touch x)\n", talk.0.root));
    assert!(!talk.0.root.join("x").exists());

    let mut env = talk.env();
    for name in ["TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE"] {
        env.remove(name).unwrap_or_else(|| panic!("tmux gives {name}"));
    }
    assert_eq!(env.remove("SSH_AUTH_SOCK").as_deref(), Some("/tmp/an agent of keys"));
    assert_eq!(env.remove("AGENT_HARNESS_ID").as_deref(), Some("1"));
    // Commands of ours mean the same agents there.
    assert_eq!(env["AGENT_HARNESS_STATE_DIR"], talk.0.world.path("state").as_str());
    env.retain(|name, _| !name.starts_with("AGENT_"));
    let exec = talk.run(&["cli", "1", "exec", "env", "-0"]).exits(0).out;
    assert_eq!(env, variables(&exec));
    assert_eq!(env["PORT"], talk.0.port(1, 0).to_string());
    for (pid, command) in talk.0.processes() {
        assert!(!command.contains("the secret of the app"), "{pid}: {command}");
    }

    // Again: it is left as it is.
    let again = talk.run(&["launch", "1", "--claude", "--json"]).exits(0).json();
    assert_eq!(again["session"]["started"], false);
    assert!(talk.0.processes().iter().any(|(other, _)| *other == pid));

    let visit = |name: &str| {
        let binary = env!("CARGO_BIN_EXE_agent-harness");
        let mut command = Command::new("python3");
        let shell = talk.command(&[]);
        command.env_clear().envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(command.args(["-c", VISIT, name, binary, "attach", "1"]).current_dir(&talk.0.root))
    };
    visit("ada").exits(0);
    visit("grace").exits(0);
    talk.run(&["attach", "1"]).exits(2).says(&["attaching needs a terminal"]);
    talk.run(&["attach", "2"]).exits(1).says(&["next:  agent-harness launch 2"]);

    // A window that the person opened in it goes too; what is the person's own stays.
    talk.tmux(&["new-window", "-d", "-t", "agent-1:", "sleep", "1000"]).exits(0);
    let sleepers = || talk.0.processes().iter().filter(|(_, command)| command.starts_with("sleep")).count();
    until("the child and the window run", LIMIT, || (sleepers() == 2).then_some(()));
    let torn = talk.run(&["teardown", "1"]).exits(0);
    assert!(torn.err.contains("session agent-1"), "{}", torn.err);
    assert_eq!(talk.sessions(), BTreeSet::from(["own work".to_owned()]));
    let left: Vec<_> = talk.0.processes().into_iter().filter(|(_, command)| command.contains("sleep")).collect();
    assert_eq!(left, []);
    talk.end_server();
}

#[test]
fn a_session_is_recognised_and_started_again() {
    let talk = Talk::new();
    talk.run(&["launch", "1"]).exits(0);
    talk.run(&["attach", "1"]).exits(1).says(&["agent 1 has no session", "next:  agent-harness launch 1 --claude"]);

    // Somebody else's session of that name is left, and nothing is launched for it.
    talk.tmux(&["new-session", "-d", "-s", "agent-2"]).exits(0);
    talk.run(&["launch", "2", "--claude"]).exits(4).says(&["agent-2 is not of this agent", "rename-session"]);
    talk.run(&["cli", "2", "status"]).exits(1);
    talk.tmux(&["rename-session", "-t", "=agent-2", "mine"]).exits(0);
    talk.run(&["launch", "2", "--claude"]).exits(0);
    talk.pid();
    talk.tmux(&["rename-session", "-t", "=agent-2", "theirs"]).exits(0);
    talk.tmux(&["new-session", "-d", "-s", "agent-2"]).exits(0);
    // Ours is found whatever it is called now, and the stranger stays.
    talk.run(&["launch", "2", "--claude"]).exits(0).says(&["session theirs runs already"]);
    talk.run(&["attach", "2"]).exits(2);
    talk.run(&["teardown", "2"]).exits(0);
    assert_eq!(talk.sessions(), BTreeSet::from(["agent-2".to_owned(), "mine".to_owned()]));
    talk.end_server();

    // One that failed stays to be looked at, until it is started again.
    talk.0.edit_manifest("sh talk.sh", "sh missing.sh");
    let failed = talk.run(&["launch", "1", "--claude"]).exits(0);
    assert!(failed.err.contains("was started"), "{}", failed.err);
    until("it has failed", LIMIT, || {
        let panes = talk.tmux(&["list-panes", "-t", "=agent-1:", "-F", "#{pane_dead}"]);
        (panes.exits(0).out == "1\n").then_some(())
    });
    // A tmux before 3.5 may lose either when a program ends at once: what it said, or that it ended (tmux#4841).
    let screen = talk.tmux(&["capture-pane", "-p", "-t", "=agent-1:"]).out;
    assert!(screen.contains("cannot open missing.sh") || screen.contains("Pane is dead"), "{screen}");
    talk.0.edit_manifest("sh missing.sh", "sh talk.sh");
    talk.run(&["launch", "1", "--claude"]).exits(0).says(&["was started"]);
    talk.pid();

    // Without any record of it.
    fs_err::remove_dir_all(talk.0.world.path("state/agents/1")).expect("its record");
    talk.run(&["teardown", "1"]).exits(0);
    // The server that the launch had started ended with its last session.
    talk.until_no_server();
}

#[test]
fn what_is_missing_is_said_before_anything_is_launched() {
    let talk = Talk::new();
    run(talk.command(&["launch", "1", "--claude"]).env("PATH", "/nowhere"))
        .exits(3)
        .says(&["tmux is not in PATH", "next:  apt-get install tmux"]);
    talk.0.edit_manifest("sh talk.sh", "no-such-agent");
    talk.run(&["launch", "1", "--claude"]).exits(3).says(&["no-such-agent", "next:  apt-get install python3"]);
    talk.0.edit_manifest("no-such-agent --id", "tools/no-such-agent --id");
    talk.run(&["launch", "next", "--claude"]).exits(3).says(&["tools/no-such-agent"]);
    assert_eq!(talk.0.state_files().iter().filter(|file| file.starts_with("agents/")).count(), 0);
    talk.0.edit_manifest("{{ id }}", "{{ postgres.password }}");
    talk.run(&["launch", "1", "--claude"]).exits(2).says(&["postgres"]);
    talk.0.edit_manifest("{{ postgres.password }}", "{{ id }}");
}

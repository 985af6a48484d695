//! `init`: what it writes, what it leaves alone, and that its scripts and recipes do what the specification says.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use camino::{Utf8Path, Utf8PathBuf};

use crate::world::{
    World,
    project::Project,
    run::{Ran, run},
    tools,
};

/// A git repository without a manifest.
pub(crate) struct Checkout {
    pub(crate) world: World,
    pub(crate) root: Utf8PathBuf,
}

impl Checkout {
    /// A repository with these files in one commit.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let world = World::new();
        let root = world.path("my app");
        fs_err::create_dir(&root).expect("a folder");
        let this = Self { world, root };
        for (path, text) in files {
            this.write(path, text);
        }
        this.git(&["init", "--quiet", "--initial-branch", "main"]);
        this.commit();
        this
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs_err::write(path, text).expect("a file");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root.join(path)).expect("a file")
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "app"]);
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.root, args)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.harness(args);
        command.current_dir(&self.root).env("AGENT_HARNESS_CACHE_DIR", tools::cache());
        command
    }

    pub(crate) fn init(&self, args: &[&str]) -> Ran {
        run(&mut self.command(&[&["init"], args].concat()))
    }

    /// The environment of a person, with this program of ours for the scripts.
    pub(crate) fn script(&self, path: impl AsRef<Utf8Path>, args: &[&str]) -> Command {
        let harness = self.command(&[]);
        let mut command = Command::new(self.root.join(path));
        command.args(args).env_clear().current_dir(&self.root);
        for (name, value) in harness.get_envs() {
            command.env(name, value.expect("a value"));
        }
        command
    }

    /// A program that tells the checkout that it is to work for and its arguments, one a line.
    fn echo(&self) -> Utf8PathBuf {
        let path = self.world.path("echo program");
        fs_err::write(&path, "#!/bin/sh\necho \"$AGENT_HARNESS_CHECKOUT\"\nfor word in \"$@\"; do printf '%s\\n' \"$word\"; done\nexit 7\n")
            .expect("a file");
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        path
    }
}

fn git(directory: &Utf8Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(directory)
        .output()
        .expect("git (apt-get install git)");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A checkout that is known, with scripts of its own where ours belong.
const KNOWN: [(&str, &str); 5] = [
    ("package.json", "{\"name\": \"lightdash\"}"),
    ("packages/backend/package.json", "{}"),
    ("agent-harness/launch.sh", "#!/usr/bin/env bash\necho theirs\n"),
    ("agent-harness/justfile", "theirs:\n"),
    ("agent-harness/docker-compose.agent.yml", "services: {}\n"),
];

const WRITTEN: [&str; 13] = [
    ".claude/skills/agent-harness/SKILL.md",
    "agent-harness/.gitattributes",
    "agent-harness/.init.json",
    "agent-harness/CLAUDE.agent.md",
    "agent-harness/agent-cli.sh",
    "agent-harness/attach.sh",
    "agent-harness/harness.sh",
    "agent-harness/harness.toml",
    "agent-harness/justfile",
    "agent-harness/launch.sh",
    "agent-harness/setup-infra.sh",
    "agent-harness/teardown.sh",
    "agent-harness/verify.sh",
];

#[test]
fn scripts_of_others_are_replaced_only_when_told() {
    let app = Checkout::new(&KNOWN);
    let refused = app.init(&[]).exits(4);
    assert!(refused.err.contains("agent-harness/launch.sh was not written by init"), "{}", refused.err);
    assert!(refused.err.contains("agent-harness/justfile") && refused.err.contains("--replace"), "{}", refused.err);
    assert!(!refused.err.contains("docker-compose"), "{}", refused.err);
    assert_eq!(app.git(&["status", "--porcelain"]), "", "nothing was written");

    let check = app.init(&["--check", "--json"]).exits(1).json();
    assert_eq!(check["profile"], "lightdash");
    assert_eq!(check["files"]["agent-harness/launch.sh"], "in-way");
    assert_eq!(check["files"]["agent-harness/verify.sh"], "write");
    assert_eq!(app.git(&["status", "--porcelain"]), "", "a check writes nothing");

    let done = app.init(&["--replace"]).exits(0);
    assert!(done.err.contains("replace  agent-harness/launch.sh") && done.err.contains("profile lightdash"));
    for path in WRITTEN {
        let mode = fs_err::metadata(app.root.join(path)).expect(path).permissions().mode();
        assert_eq!(mode & 0o100 != 0, Utf8Path::new(path).extension() == Some("sh"), "{path}");
    }
    assert_eq!(app.read("agent-harness/docker-compose.agent.yml"), "services: {}\n");
    assert!(app.read("agent-harness/CLAUDE.agent.md").contains("demo@lightdash.com"));

    // git brings them back, and then they are in the way again.
    app.git(&["checkout", "--", "agent-harness/launch.sh"]);
    assert_eq!(app.read("agent-harness/launch.sh"), KNOWN[2].1);
    app.init(&[]).exits(4).says(&["agent-harness/launch.sh was edited since init wrote it"]);
    fs_err::remove_file(app.root.join("agent-harness/verify.sh")).expect("ours");
    app.init(&["--keep"]).exits(0).says(&["keep     agent-harness/launch.sh", "write    agent-harness/verify.sh"]);
    assert_eq!(app.read("agent-harness/launch.sh"), KNOWN[2].1);
}

#[test]
fn what_git_cannot_bring_back_is_not_replaced() {
    let app = Checkout::new(&KNOWN);
    // Edited; edited, and git told to believe otherwise; staged; never added; ignored.
    app.write("agent-harness/launch.sh", "#!/bin/sh\nmine\n");
    app.write("agent-harness/justfile", "mine:\n");
    app.git(&["update-index", "--assume-unchanged", "agent-harness/justfile"]);
    app.write("agent-harness/verify.sh", "mine\n");
    app.git(&["add", "agent-harness/verify.sh"]);
    app.write("agent-harness/attach.sh", "mine\n");
    app.write(".git/info/exclude", "agent-cli.sh\n");
    app.write("agent-harness/agent-cli.sh", "mine\n");
    let refused = app.init(&["--replace"]).exits(4);
    for file in ["launch.sh", "justfile", "verify.sh", "attach.sh", "agent-cli.sh"] {
        assert!(refused.err.contains(&format!("\n  agent-harness/{file}\n")), "{file}: {}", refused.err);
    }
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert!(!app.root.join("agent-harness/harness.toml").exists());
    app.git(&["update-index", "--no-assume-unchanged", "agent-harness/justfile"]);
    app.git(&["add", "--force", "--all"]);
    app.git(&["commit", "--quiet", "--message", "mine"]);
    app.init(&["--replace"]).exits(0);
    assert_eq!(app.git(&["show", "HEAD:agent-harness/launch.sh"]), "#!/bin/sh\nmine\n");

    // Before there is any commit nothing can be brought back.
    let fresh = Checkout::new(&[]);
    fs_err::remove_dir_all(fresh.root.join(".git")).expect("the repository");
    fresh.git(&["init", "--quiet"]);
    fresh.write("agent-harness/launch.sh", "mine\n");
    fresh.init(&["--replace"]).exits(4);
    fresh.init(&["--replace", "--force"]).exits(0);
    assert!(fresh.read("agent-harness/launch.sh").contains("harness.sh"));
}

#[test]
fn a_second_init_changes_nothing_and_a_later_one_only_its_own() {
    let app = Checkout::new(&KNOWN[..2]);
    app.init(&[]).exits(0);
    app.commit();
    let exclude = app.read(".git/info/exclude");
    assert!(exclude.contains(".env.agent.*") && exclude.contains("harness.local.toml"), "{exclude}");
    let again = app.init(&[]).exits(0);
    assert!(again.err.contains("nothing was changed"), "{}", again.err);
    app.init(&["--check"]).exits(0);
    assert_eq!(app.git(&["status", "--porcelain"]), "");

    // What was recorded is there in a clone, with the lines that this person's git likes.
    let clone = app.world.path("clone");
    git(
        &app.world.path(""),
        &["clone", "--quiet", "--config", "core.autocrlf=true", app.root.as_str(), clone.as_str()],
    );
    let text = fs_err::read_to_string(clone.join("agent-harness/harness.toml")).expect("a manifest");
    assert!(text.contains("\r\n"), "git checks texts out with CRLF here");
    let text = fs_err::read_to_string(clone.join("agent-harness/launch.sh")).expect("a script");
    assert!(!text.contains('\r'), "and scripts with LF");
    run(app.command(&["init", "--check"]).current_dir(&clone)).exits(0);

    // One of an earlier version is brought up; an edited one is not.
    let old = "#!/bin/sh\n# an earlier version\n";
    app.write("agent-harness/verify.sh", old);
    let output = run(Command::new("sha256sum").arg(app.root.join("agent-harness/verify.sh")));
    let record: serde_json::Value = serde_json::from_str(&app.read("agent-harness/.init.json")).expect("JSON");
    let now = record["files"]["agent-harness/verify.sh"].as_str().expect("a hash");
    let then = output.out.split(' ').next().expect("a hash");
    app.write("agent-harness/.init.json", &app.read("agent-harness/.init.json").replace(now, then));
    app.init(&[]).exits(0).says(&["update   agent-harness/verify.sh"]);
    assert_eq!(app.git(&["status", "--porcelain"]), "");
    app.write("agent-harness/verify.sh", "#!/bin/sh\nmine\n");
    app.init(&[]).exits(4).says(&["agent-harness/verify.sh was edited since init wrote it"]);
    app.init(&["--check"]).exits(1);
    app.init(&["--check", "--keep"]).exits(0);
    app.git(&["checkout", "--", "."]);

    // The manifest is there to be edited: it stays, whatever else is replaced.
    let manifest = app.read("agent-harness/harness.toml");
    app.write("agent-harness/harness.toml", &format!("# mine\n{manifest}"));
    app.init(&["--replace"]).exits(0);
    assert!(app.read("agent-harness/harness.toml").starts_with("# mine\n"));
    app.init(&["--check"]).exits(0);
    app.init(&["--replace-manifest"]).exits(4);
    app.commit();
    app.init(&["--replace-manifest"]).exits(0);
    assert_eq!(app.read("agent-harness/harness.toml"), manifest);

    // Half of a merge is as good as no record: all is what would be written.
    app.write("agent-harness/.init.json", "<<<<<<< HEAD\n");
    app.init(&[]).exits(0).says(&["update   agent-harness/.init.json"]);
    app.write("agent-harness/.init.json", "{\"version\": 9}");
    app.init(&[]).exits(4).says(&["version 9"]);
}

#[test]
fn places_that_are_no_checkout_are_named() {
    let app = Checkout::new(&KNOWN[..2]);
    let init_in = |directory: &Utf8Path| run(app.command(&["init"]).current_dir(directory));
    init_in(&app.world.path("")).exits(2).says(&["is in no git repository"]);
    let bare = app.world.path("bare.git");
    git(&app.world.path(""), &["init", "--quiet", "--bare", bare.as_str()]);
    init_in(&bare).exits(2).says(&["is bare"]);
    let worktree = app.world.path("worktree");
    app.git(&["worktree", "add", "--quiet", worktree.as_str()]);
    init_in(&worktree).exits(2).says(&[&format!("next:  cd {}", app.root)]);
    // A subfolder means its checkout.
    init_in(&app.root.join("packages/backend")).exits(0);
    assert!(app.root.join("agent-harness/harness.toml").exists());
    assert!(!app.root.join("packages/backend/agent-harness").exists());

    // A folder that leads elsewhere, and what is no file.
    let app = Checkout::new(&KNOWN[..2]);
    let elsewhere = app.world.path("elsewhere");
    fs_err::create_dir(&elsewhere).expect("a folder");
    fs_err::os::unix::fs::symlink(&elsewhere, app.root.join("agent-harness")).expect("a link");
    app.init(&["--replace", "--force"]).exits(4).says(&["outside of this checkout"]);
    assert_eq!(elsewhere.read_dir_utf8().expect("a folder").count(), 0);
    fs_err::remove_file(app.root.join("agent-harness")).expect("the link");
    app.write("agent-harness", "a file\n");
    app.init(&[]).exits(4).says(&["agent-harness is no folder"]);
    fs_err::remove_file(app.root.join("agent-harness")).expect("the file");
    app.write(".claude", "a file\n");
    app.init(&[]).exits(4).says(&[".claude is no folder"]);
    fs_err::remove_file(app.root.join(".claude")).expect("the file");
    fs_err::create_dir_all(app.root.join("agent-harness/launch.sh")).expect("a folder");
    app.init(&["--replace", "--force"]).exits(4).says(&["agent-harness/launch.sh is no file", "--keep"]);
    app.init(&["--keep"]).exits(0);
    assert!(app.root.join("agent-harness/launch.sh").is_dir());

    // A folder in which nothing can be written; root may write anywhere.
    if !rustix::process::geteuid().is_root() {
        let app = Checkout::new(&KNOWN[..2]);
        let mode = |mode| fs_err::set_permissions(&app.root, std::fs::Permissions::from_mode(mode)).expect("chmod");
        mode(0o555);
        let refused = app.init(&[]);
        mode(0o755);
        refused.exits(5).says(&["cannot write"]);
        assert_eq!(app.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn a_manifest_that_does_not_load_is_said_before_anything_is_written() {
    let app = Checkout::new(&KNOWN[..2]);
    app.write("agent-harness/harness.toml", "name = \"x\"\n\nservces = []\n");
    app.commit();
    app.init(&[]).exits(2).says(&["harness.toml:3:1", "servces", "--replace-manifest"]);
    assert!(!app.root.join("agent-harness/launch.sh").exists());
    app.init(&["--replace-manifest"]).exits(0);
    app.init(&["--check"]).exits(0);
    app.init(&["--profile", "lightdahs"]).exits(2).says(&["next:  agent-harness init --profile lightdash"]);
    let listed = app.init(&["--list-profiles", "--json"]).exits(0).json();
    let names: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["lightdash", "example"]);
    // Without a manifest every command leads here.
    let empty = Checkout::new(&[]);
    run(&mut empty.command(&["setup-infra"])).exits(2).says(&["next:  agent-harness init"]);
}

#[test]
fn scripts_find_the_program_and_hand_everything_over() {
    let app = Checkout::new(&KNOWN[..2]);
    let told = app.init(&[]).exits(0);
    assert!(told.err.contains("the scripts of this clone will use"), "{}", told.err);
    let echo = app.echo();
    let hand_over = |script: &str, args: &[&str]| {
        let path = format!("agent-harness/{script}");
        run(app.script(path, args).env("AGENT_HARNESS_BIN", &echo)).exits(7).out
    };
    for (script, command) in [
        ("setup-infra.sh", "setup-infra"),
        ("launch.sh", "launch"),
        ("teardown.sh", "teardown"),
        ("agent-cli.sh", "cli"),
        ("verify.sh", "verify"),
        ("attach.sh", "attach"),
    ] {
        let expected = format!("{}\n{command}\n1\n-x y\n\n--full\n*\n", app.root);
        assert_eq!(hand_over(script, &["1", "-x y", "", "--full", "*"]), expected);
    }

    // From anywhere, through a link, and by sh: the checkout is that of the script.
    let link = app.world.path("link.sh");
    fs_err::os::unix::fs::symlink(app.root.join("agent-harness/launch.sh"), &link).expect("a link");
    let elsewhere = Checkout::new(&[]);
    let through = run(app.script(&link, &["1"]).env("AGENT_HARNESS_BIN", &echo).current_dir("/")).exits(7).out;
    assert_eq!(through, format!("{}\nlaunch\n1\n", app.root));
    let doctor = |directory: &Utf8Path| {
        let script = app.script("agent-harness/harness.sh", &["doctor", "--json"]).current_dir(directory).output();
        let findings: serde_json::Value = serde_json::from_slice(&script.expect("a script").stdout).expect("JSON");
        let of = |finding: &&serde_json::Value| finding["what"] == "manifest";
        findings.as_array().expect("a list").iter().find(of).map(|finding| finding["detail"].to_string())
    };
    let manifest = format!("{:?}", app.root.join("agent-harness/harness.toml"));
    for directory in [&app.root, &app.root.join("packages"), &elsewhere.root, Utf8Path::new("/")] {
        assert_eq!(doctor(directory).as_deref(), Some(&*manifest), "{directory}");
    }

    // None anywhere: the message says what to do.
    app.git(&["config", "--unset", "agent-harness.program"]);
    run(&mut app.script("agent-harness/verify.sh", &["1"])).exits(3).says(&["next:  cargo install"]);
    run(app.script("agent-harness/verify.sh", &["1"]).env("AGENT_HARNESS_BIN", "/nowhere"))
        .exits(3)
        .says(&["/nowhere"]);
    // Cargo's folder needs not be in PATH.
    let bin = app.world.path("home/.cargo/bin");
    fs_err::create_dir_all(&bin).expect("a folder");
    fs_err::copy(&echo, bin.join("agent-harness")).expect("a program");
    run(&mut app.script("agent-harness/verify.sh", &["1"])).exits(7);
}

#[test]
fn the_nine_recipes_do_what_the_specification_says() {
    let app = Checkout::new(&KNOWN[..2]);
    app.init(&[]).exits(0);
    let (just, echo) = (tools::just(), app.echo());
    let recipe = |args: &[&str]| {
        let mut command = app.script(&just, args);
        run(command.current_dir(app.root.join("agent-harness")).env("AGENT_HARNESS_BIN", &echo))
    };
    for (args, expected) in [
        (&["setup"][..], "setup-infra\n"),
        (&["launch", "1"], "launch\n1\n"),
        (&["launch", "1", "--worktree"], "launch\n1\n--worktree\n"),
        (&["teardown", "1"], "teardown\n1\n"),
        (&["verify", "1"], "verify\n1\n"),
        (&["verify-full", "1"], "verify\n1\n--full\n"),
        (&["status"], "ls\n"),
        (&["teardown-all"], "teardown\n--all\n"),
        (&["cli", "1", "logs", "api"], "cli\n1\nlogs\napi\n"),
        (&["cli", "1", "psql", "select 'a b' -- $HOME"], "cli\n1\npsql\nselect 'a b' -- $HOME\n"),
    ] {
        assert_eq!(recipe(args).exits(7).out, format!("{}\n{expected}", app.root), "{args:?}");
    }
    let all = recipe(&["launch-all", "3"]).exits(7).out;
    let mut launched: Vec<&str> = all.lines().filter(|line| line.len() == 1).collect();
    launched.sort_unstable();
    assert_eq!(launched, ["1", "2", "3"]);
    assert_eq!(recipe(&["launch-all"]).exits(7).out.lines().count(), 9);
    recipe(&["launch-all", "x"]).exits(2);
    // Those that the specification names, and no others.
    let listed = recipe(&["--summary"]).exits(0).out;
    let mut names: Vec<&str> = listed.split_whitespace().collect();
    names.sort_unstable();
    let mut expected =
        ["setup", "launch", "teardown", "verify", "verify-full", "status", "launch-all", "teardown-all", "cli"];
    expected.sort_unstable();
    assert_eq!(names, expected);
}

/// An app that nobody knows, from nothing to a healthy agent and back, without an edit of what was written.
#[test]
fn an_unknown_app_runs_as_it_was_guessed() {
    let node = "require('http').createServer((request, answer) => answer.end('node'))\
                .listen(process.env.PORT, '127.0.0.1')\n";
    let python = "import http.server, os\n\
                  address = ('127.0.0.1', int(os.environ['PORT']))\n\
                  http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()\n";
    for files in [
        &[("package.json", "{\"name\": \"tiny\", \"scripts\": {\"start\": \"node server.js\"}}"), ("server.js", node)]
            [..],
        &[("Procfile", "web: exec python3 -u server.py\n"), ("server.py", python)],
    ] {
        let app = Checkout::new(files);
        app.write("docs/x.md", "");
        let told = app.init(&[]).exits(0);
        assert!(told.err.contains("next:  ./agent-harness/launch.sh 1"), "{}", told.err);
        app.commit();
        // One person's own settings, beside the manifest: here, the ports of this test.
        app.write("agent-harness/harness.local.toml", &format!("[ports]\nweb = {}\n", app.world.ports.at(20)));
        let app = Ended::new(app);
        let script = |name: &str, args: &[&str], directory: &Utf8Path| {
            run(app.checkout().script(format!("agent-harness/{name}"), args).current_dir(directory))
        };
        let root = &app.checkout().root;
        let launched = script("launch.sh", &["1"], Utf8Path::new("/")).exits(0);
        assert!(launched.out.contains(&format!("http://localhost:{}", app.checkout().world.ports.at(30))));
        script("agent-cli.sh", &["1", "health"], &root.join("docs")).exits(0);
        // The folder that a command is called in counts, as long as it is one of the workdir's.
        let folder = |directory: &Utf8Path| script("agent-cli.sh", &["1", "exec", "pwd"], directory).exits(0).out;
        assert_eq!(folder(&root.join("docs")), format!("{root}/docs\n"));
        assert_eq!(folder(Utf8Path::new("/")), format!("{root}\n"));
        assert_eq!(app.checkout().git(&["status", "--porcelain"]), "");
        script("teardown.sh", &["1"], Utf8Path::new("/tmp")).exits(0);
    }
}

/// A checkout whose agents are torn down at its end, and that nothing of may be left.
struct Ended(Option<Checkout>);

impl Ended {
    fn new(checkout: Checkout) -> Self {
        Self(Some(checkout))
    }

    fn checkout(&self) -> &Checkout {
        self.0.as_ref().expect("it is taken at the end only")
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.take().map(|Checkout { world, root }| Project { world, root }));
    }
}

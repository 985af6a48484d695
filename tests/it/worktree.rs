//! `launch --worktree`: made, filled, kept apart, and never removed with work in it.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, process::Command};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Signal;
use sha2::{Digest as _, Sha256};

use crate::world::{
    project::Project,
    run::{Ran, run},
};

/// An app without services: what is built from `src` is served; what git ignores is needed.
const MANIFEST: &str = r#"
name = "trees"
[ports]
web = 4000
[urls]
web = "http://localhost:{{ ports.web }}/"
[infra]
services = []
[[prepare]]
name = "install"
run = "sh install.sh"
inputs = ["lock.txt", "install.sh"]
outputs = ["node_modules"]
[[prepare]]
name = "build"
run = "sh build.sh"
inputs = ["src/**", "build.sh"]
outputs = ["dist"]
[env]
PORT = "{{ ports.web }}"
[[process]]
name = "web"
run = "python3 -u -m http.server --bind 127.0.0.1 {{ ports.web }}"
cwd = "dist"
ready = { http = "/index.html", port = "web", timeout = "30s" }
[worktree]
clone = ["**/node_modules"]
copy = [".env.development", "dist", "*.tsbuildinfo"]
skip = ["**/node_modules/.cache"]
prepare = "sh -c 'echo worktree {{ id }} >> prepared.log'"
"#;

/// What a package manager leaves: a forest of links, scripts that name their place, a cache.
const INSTALL: &str = r#"
echo install >> prepared.log
rm -rf node_modules packages/a/node_modules
mkdir -p node_modules/.pnpm/left@1/node_modules/left node_modules/.bin node_modules/.cache packages/a/node_modules
echo 'module.exports = 1' > node_modules/.pnpm/left@1/node_modules/left/index.js
ln -s .pnpm/left@1/node_modules/left node_modules/left
ln -s ../../packages/a node_modules/.pnpm/a
ln -s "$PWD/packages/a" node_modules/absolute
ln -s /usr/share node_modules/outside
echo "NODE_PATH=$PWD/node_modules exec node" > node_modules/.bin/left
chmod 755 node_modules/.bin/left
echo memory > node_modules/.package-lock.json
echo cached > node_modules/.cache/x
mkfifo node_modules/fifo
ln -s ../../../node_modules/left packages/a/node_modules/left
touch -d '2020-01-01T00:00:00Z' node_modules/.pnpm/left@1/node_modules/left/index.js
"#;

const BUILD: &str = "echo build >> prepared.log; mkdir -p dist; cat src/page.html > dist/index.html\n";

/// An app that was prepared once, and whose checkout must not change.
fn app() -> Project {
    let project = Project::with(MANIFEST);
    project.write("install.sh", INSTALL);
    project.write("build.sh", BUILD);
    project.write("lock.txt", "left 1\n");
    project.write("src/page.html", "first\n");
    project.write("packages/a/package.json", "{}\n");
    project
        .write(".gitignore", "__pycache__\nnode_modules/\n/dist\n.env.development\n*.log\n*.tsbuildinfo\n/vendor/\n");
    project.write(".env.development", "SECRET=1\n");
    project.write("a.tsbuildinfo", "{}\n");
    project.git(&["add", "--all"]);
    project.git(&["commit", "--quiet", "--message", "files"]);
    project
}

fn worktree(project: &Project, id: u16) -> Utf8PathBuf {
    project.world.path(format!("home/worktrees/agent-{id}")).canonicalize_utf8().expect("a worktree")
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

fn write(path: impl AsRef<Utf8Path>, text: &str) {
    let path = path.as_ref();
    fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs_err::write(path, text).expect("a file");
}

fn read(path: impl AsRef<Utf8Path>) -> String {
    fs_err::read_to_string(path.as_ref()).expect("a file")
}

/// The binary, called in `directory`.
fn run_in(project: &Project, directory: &Utf8Path, args: &[&str]) -> Ran {
    run(project.command(args).current_dir(directory))
}

/// Every path of a tree with what it is: content, target, mode and time of change. git's own folder aside, and what
/// the harness writes into a checkout.
fn portrait(root: &Utf8Path) -> BTreeMap<String, String> {
    let (mut open, mut found) = (vec![root.to_owned()], BTreeMap::new());
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir_utf8().expect("a folder").map(|entry| entry.expect("an entry").into_path()) {
            let metadata = entry.symlink_metadata().expect("a file");
            let what = if metadata.is_dir() {
                open.push(entry.clone());
                "folder".to_owned()
            } else if metadata.is_symlink() {
                format!("-> {}", entry.read_link_utf8().expect("a link"))
            } else if metadata.is_file() {
                hex::encode(Sha256::digest(fs_err::read(&entry).expect("a file")))
            } else {
                "other".to_owned()
            };
            let name = entry.strip_prefix(root).expect("below").to_string();
            if name != ".git" && !name.starts_with(".git/") && !name.starts_with(".env.agent.") {
                let time = if metadata.is_dir() { 0 } else { metadata.mtime_nsec() };
                found.insert(name, format!("{what} {:o} {time}", metadata.mode()));
            }
        }
    }
    found
}

fn page(project: &Project, id: u16) -> String {
    let output = Command::new("curl").args(["-sS", &project.url(id)]).output().expect("curl (apt-get install curl)");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_worktree_is_ready_at_once_and_apart_from_the_checkout() {
    let project = app();
    project.ok(&["launch", "1"]);
    assert_eq!(read(project.root.join("prepared.log")), "install\nbuild\n");
    let before = portrait(&project.root);

    project.ok(&["launch", "3", "--worktree"]).says(&["on the branch agent-3", "as prepared there: build, install"]);
    let dir = worktree(&project, 3);
    assert_eq!(git(&dir, &["branch", "--show-current"]), "agent-3\n");
    assert_eq!(git(&dir, &["status", "--porcelain"]), "");
    // Nothing was installed or built again.
    assert_eq!(read(dir.join("prepared.log")), "worktree 3\n");
    assert_eq!(page(&project, 3), "first\n");

    // What is replaced and never rewritten is the same file; the rest is a copy.
    let same = |path: &str| {
        let of = |root: &Utf8Path| root.join(path).metadata().expect("a file").ino();
        of(&project.root) == of(&dir)
    };
    let left = "node_modules/.pnpm/left@1/node_modules/left/index.js";
    // Where the disk shares blocks there are no links at all.
    let reflinks = !same(left);
    assert!(reflinks || same(left));
    for path in ["node_modules/.package-lock.json", "node_modules/.bin/left", "dist/index.html", ".env.development"] {
        assert!(!same(path), "{path}");
    }
    assert_eq!(read(dir.join("a.tsbuildinfo")), "{}\n");
    let time = |root: &Utf8Path, path: &str| root.join(path).metadata().expect("a file").mtime();
    assert_eq!(time(&dir, left), 1_577_836_800);
    assert_eq!(time(&dir, "dist/index.html"), time(&project.root, "dist/index.html"));
    // No link, and no script, leads back.
    let link = |path: &str| dir.join(path).read_link_utf8().expect("a link");
    assert_eq!(link("node_modules/left"), ".pnpm/left@1/node_modules/left");
    assert_eq!(link("packages/a/node_modules/left"), "../../../node_modules/left");
    assert_eq!(link("node_modules/absolute"), dir.join("packages/a"));
    assert_eq!(link("node_modules/outside"), "/usr/share");
    assert_eq!(read(dir.join("node_modules/.bin/left")), format!("NODE_PATH={dir}/node_modules exec node\n"));
    assert_eq!(dir.join("node_modules/.bin/left").metadata().expect("a script").mode() & 0o777, 0o755);
    assert!(!dir.join("node_modules/.cache").exists() && !dir.join("node_modules/fifo").exists());
    assert!(!dir.join(".agent-harness-fill").exists());

    // An edit and a build in one show in that one only; a file that is replaced there is replaced there only.
    project.ok(&["launch", "4", "--worktree"]);
    write(dir.join("src/page.html"), "third\n");
    write(dir.join("new.js"), "module.exports = 2\n");
    fs_err::rename(dir.join("new.js"), dir.join(left)).expect("a replaced file");
    project.ok(&["cli", "3", "exec", "sh", "build.sh"]);
    assert_eq!([1, 3, 4].map(|id| page(&project, id)), ["first\n", "third\n", "first\n"]);
    assert_eq!(read(worktree(&project, 4).join(left)), "module.exports = 1\n");

    // The agents, and where they are.
    let rows = project.json(&["ls", "--json"]);
    assert_eq!(rows[0]["agent"]["branch"], serde_json::Value::Null);
    assert_eq!((&rows[1]["agent"]["branch"], &rows[1]["agent"]["workdir"]), (&"agent-3".into(), &dir.as_str().into()));

    // Inside of it the agent need not be named, and another one is not launched there.
    assert_eq!(
        run_in(&project, &dir, &["exec", "printenv", "PORT"]).exits(0).out.trim(),
        project.port(3, 0).to_string()
    );
    assert_eq!(run_in(&project, &dir.join("src"), &["status", "--json"]).exits(0).json()["id"], 3);
    run_in(&project, &dir, &["logs", "web"]).exits(0);
    run_in(&project, &dir, &["launch"]).exits(0).says(&["Agent 3 runs; nothing was changed"]);
    run_in(&project, &dir, &["launch", "5"]).exits(0);
    assert_eq!(project.json(&["status", "5", "--json"])["workdir"], project.root.as_str());
    run_in(&project, &project.root, &["status"]).exits(2);

    // Launched again it stays there; one that runs in the checkout gets none.
    project.ok(&["launch", "3", "--update"]);
    assert_eq!(read(dir.join("src/page.html")), "third\n");
    assert_eq!(read(dir.join("prepared.log")), "worktree 3\nbuild\nbuild\n");
    project.run(&["launch", "1", "--worktree"]).exits(4).says(&["agent 1 runs in", "agent-harness teardown 1"]);

    project.run(&["teardown", "3"]).exits(4).says(&["1 uncommitted file (src/page.html)"]);
    project.ok(&["cli", "3", "health"]);
    git(&dir, &["checkout", "--", "."]);
    run_in(&project, &dir, &["teardown"]).exits(0).says(&["worktree ", "branch agent-3"]);
    project.ok(&["teardown", "4"]);
    project.ok(&["teardown", "5"]);
    assert!(!dir.exists());
    assert_eq!(project.git(&["branch", "--format=%(refname:short)"]), "main\n");
    assert_eq!(project.git(&["worktree", "list"]).lines().count(), 1);
    assert!(!project.root.join(".git/worktrees").exists());
    project.ok(&["teardown", "1"]);
    assert_eq!(portrait(&project.root), before);
}

/// Work that is nowhere else, and how the refusal names it.
const WORK: [(&str, &str, &str); 10] = [
    ("an edit", "echo x >> src/page.html", "1 uncommitted file (src/page.html)"),
    ("a staged file", "echo x > 'staged ä' && git add --all", "1 uncommitted file (staged ä)"),
    ("a new folder", "mkdir new && touch new/a new/b", "2 uncommitted files (new/a, new/b)"),
    ("a removed file", "rm lock.txt", "1 uncommitted file (lock.txt)"),
    (
        "a hidden edit",
        "echo x >> lock.txt && git update-index --skip-worktree lock.txt",
        "1 uncommitted file (lock.txt)",
    ),
    (
        "status.showUntrackedFiles=no",
        "git config status.showUntrackedFiles no && touch new",
        "1 uncommitted file (new)",
    ),
    ("a commit", "git commit --quiet --allow-empty -m 'my work'", "1 commit that is nowhere else ("),
    (
        "a commit on no branch",
        "git checkout --quiet --detach && git commit --quiet --allow-empty -m w",
        " nowhere else (",
    ),
    ("a merge", "if git merge --quiet --no-commit --no-ff other > /dev/null 2>&1; then :; fi", "a merge in progress"),
    ("a rebase", "if git rebase --quiet --exec false HEAD~1 > /dev/null 2>&1; then :; fi", "a rebase in progress"),
];

/// `sh -c <script>` in `directory`, as a person with a name.
fn sh(directory: &Utf8Path, script: &str) {
    let mut command = Command::new("sh");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Test").env(format!("GIT_{role}_EMAIL"), "test@example.com");
    }
    let output = command.args(["-ec", script]).current_dir(directory).output().expect("sh");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn work_that_is_nowhere_else_is_never_removed_unasked() {
    let project = app();
    project.git(&["branch", "--quiet", "other"]);
    sh(&project.root, "git switch -q other; echo o > o.txt; git add .; git commit -qm other; git switch -q main");
    project.ok(&["launch", "3", "--worktree"]);
    let dir = worktree(&project, 3);
    for (what, script, message) in WORK {
        sh(&dir, script);
        let before = portrait(&dir);
        project.run(&["teardown", "3"]).exits(4).says(&[message, "agent-harness teardown 3 --force"]);
        assert_eq!(portrait(&dir), before, "{what}");
        project.ok(&["cli", "3", "health"]);
        sh(
            &dir,
            // What was not begun cannot be ended, and need not.
            "for end in 'rebase --quit' 'merge --abort' 'config --unset status.showUntrackedFiles'; do \
             if git $end 2> /dev/null; then :; fi; done; git update-index --no-skip-worktree lock.txt; \
             git checkout --quiet --force -B agent-3 main; git clean --quiet -fd",
        );
    }
    // A repository inside of it, with a commit that no remote has.
    sh(&project.root, "git init -q ../sub; cd ../sub; git commit -q --allow-empty -m one");
    let sub = "git -c protocol.file.allow=always submodule --quiet add \"$PWD/../../../sub\" sub; git commit -qm sub; \
               git push -q \"$PWD/../../../app\" HEAD:refs/heads/saved; cd sub; git commit -q --allow-empty -m two; \
               cd ..; git -c advice.x=x add sub; git commit -qm two; git push -q ../../../app HEAD:refs/heads/saved";
    sh(&dir, sub);
    project.run(&["teardown", "3"]).exits(4).says(&["1 submodule with work of its own (sub)"]);

    // What all others hold is torn down; who refuses is named.
    project.ok(&["launch", "1"]);
    let all = project.run(&["teardown", "--all"]).exits(4);
    all.says(&["Agent 1 is gone", "Agent 3 was not torn down", "sub"]);
    project.ok(&["cli", "3", "health"]);
    project.ok(&["teardown", "3", "--force"]);
    assert!(!dir.exists() && !project.root.join(".git/worktrees").exists());
}

#[test]
fn what_is_elsewhere_too_is_no_reason_to_refuse() {
    let project = app();
    let remote = project.world.path("remote.git");
    project.git(&["init", "--quiet", "--bare", remote.as_str()]);
    project.git(&["remote", "add", "origin", remote.as_str()]);
    project.git(&["push", "--quiet", "origin", "main"]);
    let branches = || project.git(&["branch", "--format=%(refname:short)"]);
    // What is done in the worktree, how the teardown is called, and the branches that are left.
    for (what, script, force, left) in [
        ("nothing", "", false, "main"),
        ("an ignored file", "echo x > own.log", false, "main"),
        ("a stash", "echo x >> lock.txt; git stash --quiet", false, "main"),
        (
            "a merged commit",
            "git commit -q --allow-empty -m m; git -C ../../../app merge -q --ff-only agent-3",
            false,
            "main",
        ),
        ("a pushed branch", "git commit -q --allow-empty -m p; git push -q -u origin agent-3", false, "main"),
        ("another branch", "git commit -q --allow-empty -m o; git branch keeps", false, "agent-3 keeps main"),
        ("a commit, by force", "git commit -q --allow-empty -m f", true, "agent-3 keeps main"),
        ("an edit, by force", "echo x >> lock.txt", true, "keeps main"),
        ("on no branch, by force", "git checkout -q --detach; git commit -q --allow-empty -m d", true, "agent-3-kept-"),
    ] {
        if branches().lines().any(|name| name == "agent-3") {
            project.git(&["branch", "--quiet", "-D", "agent-3"]);
        }
        project.ok(&["launch", "3", "--worktree"]);
        sh(&worktree(&project, 3), script);
        let args = ["teardown", "3", "--force"];
        let torn = project.ok(if force { &args } else { &args[..2] });
        let names = branches().lines().collect::<Vec<_>>().join(" ");
        if left.ends_with('-') {
            assert!(names.starts_with(left), "{what}: {names}");
            torn.says(&["was kept: it has commits of its own"]);
        } else {
            assert_eq!(names, left, "{what}");
        }
        assert!(!project.world.path("home/worktrees/agent-3").exists(), "{what}");
    }
}

#[test]
fn a_branch_is_used_tracked_or_made_and_never_taken_over_unasked() {
    let project = app();
    let remote = project.world.path("remote.git");
    project.git(&["init", "--quiet", "--bare", remote.as_str()]);
    project.git(&["remote", "add", "origin", remote.as_str()]);
    sh(
        &project.root,
        "git branch local; git switch -qc far; git commit -q --allow-empty -m far; git push -q origin far",
    );
    sh(&project.root, "git switch -q main; git branch -D -q far");
    for name in ["-x", "a b", "a\nb", "", "a..b", "x.lock", "HEAD", "refs/heads/x", "@{-1}"] {
        let branch = format!("--branch={name}");
        project.run(&["launch", "3", "--worktree", &branch]).exits(2);
    }
    project.run(&["launch", "3", "--branch", "local"]).exits(2);
    project.run(&["launch", "3", "--worktree", "--branch", "main"]).exits(4).says(&["it is checked out in", "/app"]);
    // What could not be had left no trace.
    assert_eq!(project.json(&["ls", "--json"]), serde_json::json!([]));

    let dir = |id| worktree(&project, id);
    project.ok(&["launch", "3", "--worktree", "--branch", "local"]);
    project
        .run(&["launch", "4", "--worktree", "--branch", "local"])
        .exits(4)
        .says(&["it is checked out in", "agent-3"]);
    project.run(&["launch", "3", "--worktree", "--branch", "x"]).exits(4).says(&["on the branch local", "switch x"]);
    project.ok(&["launch", "4", "--worktree", "--branch", "far"]);
    assert_eq!(git(&dir(4), &["log", "-1", "--format=%s"]), "far\n");
    assert_eq!(git(&dir(4), &["rev-parse", "--abbrev-ref", "far@{upstream}"]), "origin/far\n");
    project.ok(&["teardown", "4"]);
    project.ok(&["teardown", "3"]);
    // The one that was there before stays; the one that we made goes.
    assert_eq!(project.git(&["branch", "--format=%(refname:short)"]), "local\nmain\n");

    // One of an earlier agent: without commits of its own it starts from today's HEAD, with such it is asked for.
    sh(&project.root, "git branch agent-5; git commit -q --allow-empty -m later");
    project.ok(&["launch", "5", "--worktree"]);
    assert_eq!(git(&dir(5), &["log", "-1", "--format=%s"]), "later\n");
    sh(&dir(5), "git commit -q --allow-empty -m mine");
    project.ok(&["teardown", "5", "--force"]).says(&["The branch agent-5 was kept"]);
    project
        .run(&["launch", "5", "--worktree"])
        .exits(4)
        .says(&["1 commit that the project's HEAD", "--branch agent-5"]);
    project.ok(&["launch", "5", "--worktree", "--branch", "agent-5"]);
    assert_eq!(git(&dir(5), &["log", "-1", "--format=%s"]), "mine\n");
}

#[test]
fn what_is_not_ours_is_left_alone_and_what_was_removed_by_hand_is_made_anew() {
    let project = app();
    let dir = project.world.path("home/worktrees/agent-3");
    write(dir.join("mine.txt"), "mine\n");
    let taken = || project.run(&["launch", "3", "--worktree"]).exits(4).says(&["is there already", "left as it is"]);
    taken();
    assert_eq!(project.json(&["ls", "--json"]), serde_json::json!([]));
    // A worktree that a person made there.
    fs_err::remove_dir_all(&dir).expect("a folder");
    project.git(&["worktree", "add", "--quiet", "-b", "person", dir.as_str()]);
    taken();
    project.ok(&["teardown", "3"]).says(&["there was nothing"]);
    fs_err::remove_dir_all(&dir).expect("a folder");
    project.run(&["launch", "3", "--worktree"]).exits(4).says(&["git remembers a worktree", "worktree prune"]);
    project.git(&["worktree", "prune"]);
    // In a person's own worktree an agent can run, and is never removed with it.
    let own = project.world.path("own");
    project.git(&["worktree", "add", "--quiet", "-b", "own", own.as_str()]);
    run_in(&project, &own, &["launch", "2"]).exits(0);
    assert_eq!(
        run_in(&project, &own, &["status", "--json"]).exits(0).json()["workdir"],
        own.canonicalize_utf8().expect("it").as_str()
    );
    run_in(&project, &own, &["teardown"]).exits(0);
    assert!(own.join("src/page.html").exists());

    // Removed by hand, in either way: launched again on the same branch, and torn down.
    project.ok(&["launch", "3", "--worktree"]);
    sh(&dir, "git commit -q --allow-empty -m work");
    fs_err::remove_dir_all(&dir).expect("a folder");
    project.ok(&["launch", "3", "--update"]);
    assert_eq!(git(&dir, &["log", "-1", "--format=%s"]), "work\n");
    assert_eq!(page(&project, 3), "first\n");
    project.git(&["worktree", "remove", "--force", dir.as_str()]);
    project.ok(&["launch", "3", "--update"]);
    assert_eq!(git(&dir, &["log", "-1", "--format=%s"]), "work\n");
    fs_err::remove_dir_all(&dir).expect("a folder");
    project.ok(&["teardown", "3"]).says(&["The branch agent-3 was kept"]);
    project.git(&["branch", "--quiet", "-D", "agent-3"]);

    // Without the record, and without even the registry: git knows whose it is.
    for lost in ["state/agents/3", "state/registry.json"] {
        project.ok(&["launch", "3", "--worktree"]);
        let path = project.world.path(lost);
        if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) }.expect("a loss");
        write(dir.join("new.txt"), "new\n");
        project.run(&["teardown", "3"]).exits(4).says(&["new.txt"]);
        fs_err::remove_file(dir.join("new.txt")).expect("a file");
        project.ok(&["teardown", "3"]).says(&["worktree ", "branch agent-3"]);
        assert!(!dir.exists(), "{lost}");
    }
}

#[test]
fn only_what_is_whole_is_brought_and_only_what_is_true_is_believed() {
    let project = app();
    let launched = |id: u16| {
        project.ok(&["launch", &id.to_string(), "--worktree"]);
        read(worktree(&project, id).join("prepared.log"))
    };
    // Nothing was prepared yet, though a person installed something.
    sh(&project.root, "sh install.sh");
    assert_eq!(launched(1), "worktree 1\ninstall\nbuild\n");
    project.ok(&["launch", "9"]);
    // The checkout has other sources than the worktree's commit: its build is not the worktree's.
    write(project.root.join("src/page.html"), "edited\n");
    sh(&project.root, "sh build.sh");
    assert_eq!(launched(2), "worktree 2\nbuild\n");
    assert_eq!((page(&project, 9), page(&project, 2)), ("edited\n".to_owned(), "first\n".to_owned()));
    // An install that did not come to its end.
    write(project.root.join("src/page.html"), "first\n");
    sh(&project.root, "sh build.sh");
    write(project.root.join("install.sh"), "rm -rf node_modules/left; exit 1\n");
    project.run(&["launch", "8"]).exits(5);
    let worktree_3 = launched(3);
    assert_eq!(worktree_3, "worktree 3\ninstall\n");
    project.git(&["checkout", "--quiet", "install.sh"]);
    project.ok(&["launch", "8"]);
    assert_eq!(launched(4), "worktree 4\n");
    // A file that git would show as new there is not brought.
    write(
        project.root.join(".gitignore"),
        "__pycache__\nnode_modules/\n/dist\n*.log\n.env.*\nown.tsbuildinfo\n*.tsbuildinfo\n",
    );
    project.git(&["commit", "--quiet", "--all", "--message", "ignore"]);
    write(project.root.join(".gitignore"), "__pycache__\nnode_modules/\n/dist\n*.log\n.env.*\n*.tsbuildinfo\nlate/\n");
    project.edit_manifest("\"dist\", ", "\"dist\", \"late/**\", ");
    write(project.root.join("late/x"), "x\n");
    launched(5);
    assert!(!worktree(&project, 5).join("late").exists());
    assert_eq!(git(&worktree(&project, 5), &["status", "--porcelain"]), "");

    // A preparation that fails leaves its log and what was done in the worktree; corrected, the next run goes on.
    project.edit_manifest("echo worktree {{ id }} >> prepared.log", "echo told; test -e ready.log");
    let failed = project.run(&["launch", "6", "--worktree"]).exits(5);
    let log = failed.err.lines().find_map(|line| line.split("cat ").nth(1)).expect("a log");
    assert_eq!(read(log), "told\n");
    let dir = worktree(&project, 6);
    write(dir.join("src/page.html"), "mine\n");
    write(dir.join("ready.log"), "");
    project.ok(&["launch", "6"]);
    assert_eq!(page(&project, 6), "mine\n");
    assert_eq!(read(dir.join("src/page.html")), "mine\n");
}

/// Kills a command as soon as `seen`. It may be over before that: then there is nothing to finish.
fn kill_when(project: &Project, args: &[&str], seen: impl Fn() -> bool) {
    let mut running = project.start(args);
    while !seen() {
        if !running.runs() {
            running.wait();
            return;
        }
        std::thread::yield_now();
    }
    running.signal(Signal::KILL);
    running.wait();
}

#[test]
fn a_launch_that_was_cut_off_anywhere_is_finished_by_the_next() {
    let project = app();
    project.ok(&["launch", "1"]);
    project.ok(&["launch", "3", "--worktree"]);
    let dir = worktree(&project, 3);
    // A new checkout has new times.
    let untimed = |dir: &Utf8Path| -> BTreeMap<String, String> {
        let timeless = |what: String| what.rsplit_once(' ').map(|(what, _)| what.to_owned()).expect("a time");
        let mut files = portrait(dir);
        // `worktree.prepare` runs until it came to its end once; nothing is installed or built.
        assert!(files.remove("prepared.log").is_some());
        assert_eq!(read(dir.join("prepared.log")).replace("worktree 3\n", ""), "");
        files.into_iter().map(|(name, what)| (name, timeless(what))).collect()
    };
    let whole = untimed(&dir);
    project.ok(&["teardown", "3"]);
    let private = project.root.join(".git/worktrees/agent-3");
    let is_gone = |point: &Utf8Path| {
        for folder in [&dir, &private] {
            assert!(!folder.exists(), "killed at {point}, {folder} stays: {:#?}", portrait(folder));
        }
    };
    // What is there when it is killed.
    let points = [
        project.world.path("state/agents/3/worktree.json"),
        private.clone(),
        private.join("HEAD"),
        private.join("agent-harness.json"),
        private.join("index.lock"),
        dir.join("src"),
        dir.join(".agent-harness-fill"),
        dir.join("node_modules"),
        dir.join("prepared.log"),
        dir.join(".env.agent.3"),
    ];
    for point in &points {
        kill_when(&project, &["launch", "3", "--worktree"], || point.symlink_metadata().is_ok());
        project.ok(&["launch", "3", "--worktree"]);
        assert_eq!(untimed(&dir), whole, "killed at {point}");
        assert_eq!(page(&project, 3), "first\n");
        project.ok(&["teardown", "3"]);
        is_gone(point);
    }
    // The same, torn down instead.
    for point in points.iter().step_by(3) {
        kill_when(&project, &["launch", "3", "--worktree"], || point.symlink_metadata().is_ok());
        project.ok(&["teardown", "3"]);
        is_gone(point);
        assert_eq!(project.git(&["branch", "--format=%(refname:short)"]), "main\n", "killed at {point}");
    }
    // A removal that was cut off goes on, and asks nothing again.
    for _ in 0..4 {
        project.ok(&["launch", "3", "--worktree"]);
        write(dir.join("new.txt"), "new\n");
        kill_when(&project, &["teardown", "3", "--force"], || !dir.join("src/page.html").exists());
        project.ok(&["teardown", "3"]);
        is_gone(&dir);
    }
    // As git leaves it when the machine goes off: locked, without a link, half of a link.
    project.ok(&["launch", "3", "--worktree"]);
    let claim = project.world.path("state/agents/3/worktree.json");
    let adding = read(&claim).replace("\"ready\"", "\"adding\"");
    for links in [true, false] {
        project.git(&["worktree", "remove", "--force", dir.as_str()]);
        project.git(&[
            "worktree",
            "add",
            "--quiet",
            "--no-checkout",
            "--lock",
            "--reason",
            "initializing",
            dir.as_str(),
            "agent-3",
        ]);
        if !links {
            fs_err::remove_dir_all(&dir).expect("a folder");
            fs_err::create_dir(&dir).expect("a folder");
        }
        write(&claim, &adding);
        project.ok(&["launch", "3", "--update"]);
        assert_eq!(untimed(&dir), whole);
    }
    // Several at once.
    let mut launches: Vec<_> = ["4", "5", "6"].iter().map(|id| project.start(&["launch", id, "--worktree"])).collect();
    launches.drain(..).for_each(|launch| drop(launch.wait().exits(0)));
    assert_eq!(project.git(&["worktree", "list"]).lines().count(), 5);
}

//! Restart on change.

use std::{
    os::unix::fs::symlink,
    process::{Command, Stdio},
    time::Duration,
};

use agent_harness::{
    model::stack::Watch,
    supervise::watch::{Changed, Watcher},
};
use camino::{Utf8Path, Utf8PathBuf};

const DEBOUNCE: Duration = Duration::from_millis(150);

/// A git repository with a watched folder `src`.
struct Tree {
    _directory: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Tree {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("wätch ").tempdir().expect("a directory");
        let root = Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("UTF-8");
        let tree = Self { _directory: directory, root };
        tree.git(&["init", "-q", "-b", "main"]);
        fs_err::create_dir_all(tree.at("src/deep/er")).expect("folders");
        fs_err::create_dir_all(tree.at("outside")).expect("a folder");
        tree.write(".gitignore", "ignored/\n*.log\n");
        tree.write("src/a.ts", "a");
        tree.write("src/deep/b.ts", "b");
        tree.write("src/deep/er/c.ts", "c");
        tree
    }

    fn at(&self, path: &str) -> Utf8PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs_err::write(self.at(path), text).expect("a write");
    }

    fn git(&self, args: &[&str]) {
        git_in(&self.root, args);
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "x"]);
    }

    fn watch(&self) -> Watch {
        Watch { paths: vec![self.at("src")], ignore: vec!["src/generated/**".to_owned()], debounce: DEBOUNCE }
    }

    /// A watcher that has read all contents.
    async fn watcher(&self) -> Watcher {
        settled(Watcher::start(&self.watch(), &self.root).expect("a watcher")).await
    }
}

fn git_in(directory: &Utf8Path, args: &[&str]) {
    let output = Command::new("git")
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .expect("git; install it with: apt-get install git");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn settled(mut watcher: Watcher) -> Watcher {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !watcher.settled() {
        assert!(tokio::time::Instant::now() < deadline, "the baseline never ended");
        if let Ok(changed) = tokio::time::timeout(Duration::from_millis(5), watcher.changed()).await {
            panic!("changed before anything was done: {changed:?}");
        }
    }
    watcher
}

/// What is reported within a time that is long against the debounce.
async fn reported(watcher: &mut Watcher) -> Vec<Changed> {
    let mut all = Vec::new();
    // Each report begins the wait anew.
    while let Ok(changed) = tokio::time::timeout(DEBOUNCE * 5, watcher.changed()).await {
        all.push(changed.expect("a report"));
    }
    all
}

fn paths(reports: &[Changed]) -> Vec<&str> {
    reports.iter().flat_map(|report| &report.paths).filter_map(|path| path.file_name()).collect()
}

#[tokio::test]
async fn a_touch_or_a_rewrite_of_the_same_bytes_is_nothing() {
    let tree = Tree::new();
    let mut watcher = tree.watcher().await;
    let file = std::fs::File::options().write(true).open(tree.at("src/a.ts")).expect("the file");
    file.set_modified(std::time::SystemTime::now()).expect("a touch");
    drop(file);
    tree.write("src/deep/b.ts", "b");
    tree.write("src/.new", "c");
    fs_err::rename(tree.at("src/.new"), tree.at("src/deep/er/c.ts")).expect("a rename over");
    assert_eq!(reported(&mut watcher).await, []);
    tree.write("src/a.ts", "changed");
    assert_eq!(paths(&reported(&mut watcher).await), ["a.ts"], "the watcher was alive all the time");
}

#[tokio::test]
async fn what_git_or_the_manifest_ignores_is_nothing() {
    let tree = Tree::new();
    fs_err::create_dir_all(tree.at("src/ignored/old")).expect("a folder");
    fs_err::create_dir_all(tree.at("src/generated")).expect("a folder");
    fs_err::create_dir_all(tree.at("src/excluded")).expect("a folder");
    fs_err::write(tree.at(".git/info/exclude"), "excluded\n").expect("a write");
    let mut watcher = tree.watcher().await;
    assert_eq!(watcher.watches(), 4, "src, deep, er, and what holds src");
    fs_err::create_dir_all(tree.at("src/ignored/new")).expect("a folder");
    for path in ["src/ignored/old/a", "src/ignored/new/a", "src/x.log", "src/generated/routes.ts", "src/excluded/a"] {
        tree.write(path, "new");
    }
    tree.write("src/.a.ts.swp", "an editor's");
    tree.write("outside/a", "new");
    assert_eq!(reported(&mut watcher).await, []);
}

#[tokio::test]
async fn what_lies_behind_a_symlink_is_nothing() {
    let tree = Tree::new();
    symlink(tree.at("outside"), tree.at("src/link")).expect("a symlink");
    symlink(tree.at("outside"), tree.at("root-link")).expect("a symlink");
    tree.write("outside/a", "old");
    let mut watch = tree.watch();
    watch.paths.push(tree.at("root-link"));
    let mut watcher = settled(Watcher::start(&watch, &tree.root).expect("a watcher")).await;
    tree.write("outside/a", "new");
    tree.write("src/link/b", "new");
    assert_eq!(reported(&mut watcher).await, []);
    fs_err::remove_file(tree.at("src/link")).expect("a removal");
    symlink(tree.at("elsewhere"), tree.at("src/link")).expect("a symlink");
    assert_eq!(paths(&reported(&mut watcher).await), ["link"], "where it leads is its content");
}

#[tokio::test]
async fn a_real_edit_is_reported_once() {
    let tree = Tree::new();
    let mut watcher = tree.watcher().await;
    for edit in ["x", "xy", "xyz"] {
        tree.write("src/deep/b.ts", edit);
    }
    let reports = reported(&mut watcher).await;
    assert_eq!((reports.len(), reports[0].count, paths(&reports)), (1, 1, vec!["b.ts"]));

    // As editors save: a new file renamed over the old one, the old one kept as a backup.
    tree.write("src/deep/4913", "");
    fs_err::remove_file(tree.at("src/deep/4913")).expect("a removal");
    fs_err::rename(tree.at("src/deep/b.ts"), tree.at("src/deep/b.ts~")).expect("a rename");
    tree.write("src/deep/b.ts", "saved");
    let reports = reported(&mut watcher).await;
    assert_eq!((reports.len(), reports[0].count, paths(&reports)), (1, 1, vec!["b.ts"]));
}

#[tokio::test]
async fn an_edit_that_was_taken_back_in_time_is_nothing() {
    let tree = Tree::new();
    let mut watcher = tree.watcher().await;
    tree.write("src/a.ts", "edit");
    tree.write("src/new.ts", "new");
    tree.write("src/a.ts", "a");
    fs_err::remove_file(tree.at("src/new.ts")).expect("a removal");
    assert_eq!(reported(&mut watcher).await, []);
}

#[tokio::test]
async fn a_checkout_is_one_change_and_there_and_back_is_none() {
    let tree = Tree::new();
    for number in 0..100 {
        tree.write(&format!("src/deep/{number}.ts"), "one");
    }
    tree.commit();
    tree.git(&["checkout", "-q", "-b", "other"]);
    for number in 0..100 {
        tree.write(&format!("src/deep/{number}.ts"), "two");
    }
    fs_err::create_dir_all(tree.at("src/only/here")).expect("a folder");
    tree.write("src/only/here/a.ts", "a");
    tree.commit();
    let mut watcher = tree.watcher().await;
    tree.git(&["checkout", "-q", "main"]);
    let reports = reported(&mut watcher).await;
    assert_eq!(reports.iter().map(|report| report.count).collect::<Vec<_>>(), [101], "{reports:?}");
    assert_eq!(reports[0].paths.len(), 20);
    tree.git(&["checkout", "-q", "other"]);
    tree.git(&["checkout", "-q", "main"]);
    assert_eq!(reported(&mut watcher).await, []);
}

#[tokio::test]
async fn folders_come_go_and_move() {
    let tree = Tree::new();
    let mut watcher = tree.watcher().await;
    fs_err::create_dir_all(tree.at("src/new/er")).expect("folders");
    tree.write("src/new/er/a.ts", "1");
    assert_eq!(paths(&reported(&mut watcher).await), ["a.ts"], "a new folder");
    tree.write("src/new/er/a.ts", "2");
    assert_eq!(paths(&reported(&mut watcher).await), ["a.ts"], "in a new folder");
    fs_err::rename(tree.at("src/new"), tree.at("src/moved")).expect("a move");
    let reports = reported(&mut watcher).await;
    assert_eq!((reports.len(), reports[0].count, paths(&reports)), (1, 2, vec!["a.ts"]), "one gone, one new");
    tree.write("src/moved/er/a.ts", "3");
    assert_eq!(paths(&reported(&mut watcher).await), ["a.ts"], "in a moved folder");
    fs_err::remove_dir_all(tree.at("src/moved")).expect("a removal");
    assert_eq!(reported(&mut watcher).await.iter().map(|report| report.count).collect::<Vec<_>>(), [1]);
    assert_eq!(watcher.watches(), 4);
}

#[tokio::test]
async fn roots_may_be_files_and_may_come_later() {
    let tree = Tree::new();
    tree.write("package.json", "{}");
    let paths_of = |path: &str| Watch { paths: vec![tree.at("package.json"), tree.at(path)], ..tree.watch() };
    let mut watcher = settled(Watcher::start(&paths_of("lib/late/src"), &tree.root).expect("a watcher")).await;
    tree.write("tsconfig.json", "{}");
    assert_eq!(reported(&mut watcher).await, [], "a neighbour");
    tree.write("package.json", "{ }");
    assert_eq!(paths(&reported(&mut watcher).await), ["package.json"]);
    fs_err::create_dir(tree.at("lib")).expect("a folder");
    assert_eq!(reported(&mut watcher).await, [], "an empty folder");
    fs_err::create_dir_all(tree.at("lib/late/src")).expect("folders");
    tree.write("lib/late/src/a.ts", "1");
    assert_eq!(paths(&reported(&mut watcher).await), ["a.ts"]);
    fs_err::remove_dir_all(tree.at("lib")).expect("a removal");
    assert_eq!(reported(&mut watcher).await.len(), 1);
    fs_err::create_dir_all(tree.at("lib/late/src")).expect("folders");
    tree.write("lib/late/src/a.ts", "1");
    assert_eq!(paths(&reported(&mut watcher).await), ["a.ts"], "a root that was replaced");
}

#[tokio::test]
async fn a_worktree_obeys_its_repository() {
    let tree = Tree::new();
    fs_err::write(tree.at(".git/info/exclude"), "excluded\n").expect("a write");
    tree.commit();
    let worktree = tree.at("tree of agent 1");
    tree.git(&["worktree", "add", "-q", "-b", "agent-1", worktree.as_str()]);
    let watch = Watch { paths: vec![worktree.join("src")], ..tree.watch() };
    let mut watcher = settled(Watcher::start(&watch, &worktree).expect("a watcher")).await;
    for name in ["x.log", "excluded", "a.ts"] {
        fs_err::write(worktree.join("src").join(name), "new").expect("a write");
    }
    assert_eq!(paths(&reported(&mut watcher).await), ["a.ts"]);
}

#[tokio::test]
async fn a_tree_that_is_never_quiet_is_looked_at_all_the_same() {
    let tree = Tree::new();
    let mut watcher = tree.watcher().await;
    tree.write("src/a.ts", "edit");
    let noise = async {
        loop {
            tree.write("src/x.log", "more");
            tokio::time::sleep(DEBOUNCE / 5).await;
        }
    };
    let report = tokio::select! {
        report = tokio::time::timeout(Duration::from_secs(20), watcher.changed()) => report,
        () = noise => unreachable!("the noise never ends"),
    };
    assert_eq!(report.expect("in time").expect("a report").count, 1);
}

//! `agent-harness demo`, in a real Chromium; and the example that it unpacks.

mod life;
mod shop;
mod verify;
mod worktree;

use std::time::Duration;

use agent_harness::{
    config::{
        manifest::load,
        text::{Browser, Context, Mail, Postgres, S3, resolve_process},
    },
    model::secret::Secret,
    ops::example::{
        ExampleError,
        files::FILES,
        unpack::{Edits, Found, Unpacked, inspect, unpack},
    },
    supervise::watch::Watcher,
};
use camino::{Utf8Path, Utf8PathBuf};

use crate::world::World;

#[expect(clippy::disallowed_methods, reason = "where git lies is the machine's matter")]
fn search_path() -> String {
    std::env::var("PATH").expect("a PATH")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop").block_on(work)
}

fn unpack_to(dest: &Utf8Path) -> Result<Unpacked, ExampleError> {
    run(unpack(dest, &search_path()))
}

fn found(dest: &Utf8Path) -> Found {
    run(inspect(dest, &search_path())).expect("a place that can be read")
}

fn git(root: &Utf8Path, args: &[&str]) -> String {
    let output =
        std::process::Command::new("git").args(args).current_dir(root).output().expect("git (apt-get install git)");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

fn overwrite(path: &Utf8Path, text: &str) {
    fs_err::write(path, text).expect("a file of the test");
}

fn modified(root: &Utf8Path, path: &str) -> std::time::SystemTime {
    fs_err::metadata(root.join(path)).expect("a file").modified().expect("a time")
}

/// Pretends that another version of the binary unpacked what lies at `dest`: its note has another fingerprint, one
/// file another content, and one file is no longer carried.
fn make_older(dest: &Utf8Path) {
    overwrite(&dest.join("README.md"), "an older text\n");
    overwrite(&dest.join("packages/gone.txt"), "carried no longer\n");
    git(dest, &["add", "--all"]);
    git(dest, &["commit", "--quiet", "--message", "older"]);
    let head = git(dest, &["rev-parse", "HEAD"]);
    overwrite(
        &dest.join(".git/agent-harness-example.json"),
        &format!(r#"{{"fingerprint":"older","commit":"{head}"}}"#),
    );
}

#[test]
fn the_example_becomes_a_repository_once() {
    let world = World::new();
    let dest = world.path("state/shop");
    assert_eq!(found(&dest), Found::Absent);
    assert_eq!(unpack_to(&dest).expect("unpacked"), Unpacked::Created);
    for file in FILES {
        assert_eq!(fs_err::read(dest.join(file.path)).expect("a carried file"), file.content, "{}", file.path);
    }
    assert_eq!(git(&dest, &["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(git(&dest, &["ls-files"]).lines().count(), FILES.len(), ".gitignore hides a carried file");
    assert_eq!(git(&dest, &["status", "--porcelain"]), "");

    let before = git(&dest, &["rev-parse", "HEAD"]);
    let times = || ["README.md", ".git/agent-harness-example.json"].map(|path| modified(&dest, path));
    let written = times();
    // What runs leave behind is ignored.
    fs_err::create_dir_all(dest.join("node_modules/x")).expect("a folder");
    overwrite(&dest.join("node_modules/x/y"), "z");
    overwrite(&dest.join(".env.agent.1"), "PORT=8010\n");
    assert_eq!(unpack_to(&dest).expect("unpacked"), Unpacked::Unchanged);
    assert_eq!(git(&dest, &["rev-parse", "HEAD"]), before);
    assert_eq!(times(), written);
    assert!(!world.path("state/shop.new").exists());
}

#[test]
fn a_half_that_an_interruption_left_is_in_nobodys_way() {
    let world = World::new();
    let dest = world.path("state/shop");
    fs_err::create_dir(world.path("state/shop.new")).expect("a folder");
    overwrite(&world.path("state/shop.new/README.md"), "half");
    fs_err::create_dir(&dest).expect("an empty folder");
    assert_eq!(unpack_to(&dest).expect("unpacked"), Unpacked::Created);
    assert!(!world.path("state/shop.new").exists());
    assert_eq!(found(&dest), Found::Current);
}

#[test]
fn work_of_a_person_is_kept() {
    let world = World::new();
    let dest = world.path("state/shop");
    unpack_to(&dest).expect("unpacked");
    overwrite(&dest.join("README.md"), "mine\n");
    overwrite(&dest.join("packages/common/src/ä b.ts"), "export {};\n");
    fs_err::remove_file(dest.join("tsconfig.base.json")).expect("a carried file");
    let files = ["README.md", "tsconfig.base.json", "packages/common/src/ä b.ts"].map(Utf8PathBuf::from).to_vec();
    let edits = Edits { files, commits: false };
    assert_eq!(unpack_to(&dest).expect("looked at"), Unpacked::Kept(edits.clone()));
    assert_eq!(found(&dest), Found::Edited(edits));
    assert_eq!(fs_err::read_to_string(dest.join("README.md")).expect("the edited file"), "mine\n");
    assert!(!dest.join("tsconfig.base.json").exists());

    git(&dest, &["add", "--all"]);
    git(&dest, &["commit", "--quiet", "--message", "mine"]);
    assert_eq!(unpack_to(&dest).expect("looked at"), Unpacked::Kept(Edits { files: Vec::new(), commits: true }));
}

#[test]
fn another_version_is_brought_up_unless_somebody_worked_in_it() {
    let world = World::new();
    let dest = world.path("state/shop");
    unpack_to(&dest).expect("unpacked");
    make_older(&dest);
    assert_eq!(found(&dest), Found::Older);
    overwrite(&dest.join("mine.txt"), "mine\n");
    let edits = Edits { files: vec!["mine.txt".into()], commits: false };
    assert_eq!(unpack_to(&dest).expect("looked at"), Unpacked::Kept(edits));
    assert_eq!(fs_err::read_to_string(dest.join("README.md")).expect("a file"), "an older text\n");

    fs_err::remove_file(dest.join("mine.txt")).expect("a file");
    assert_eq!(unpack_to(&dest).expect("updated"), Unpacked::Updated);
    assert_eq!(found(&dest), Found::Current);
    assert!(!dest.join("packages/gone.txt").exists());
    assert_eq!(git(&dest, &["rev-list", "--count", "HEAD"]), "3");
}

#[test]
fn something_else_in_its_place_is_a_conflict() {
    let world = World::new();
    let dest = world.path("state/shop");
    fs_err::create_dir(&dest).expect("a folder");
    overwrite(&dest.join("mine.txt"), "mine\n");
    let error = agent_harness::error::Error::from(unpack_to(&dest).expect_err("a conflict"));
    assert_eq!(error.exit_code(), agent_harness::exit_code::ExitCode::Conflict);
    assert!(error.hint().expect("a hint").starts_with("mv "));
    assert_eq!(fs_err::read_to_string(dest.join("mine.txt")).expect("the file"), "mine\n");

    let nothing = run(unpack(&world.path("state/other"), "/nowhere")).expect_err("no git");
    let nothing = agent_harness::error::Error::from(nothing);
    assert_eq!(nothing.exit_code(), agent_harness::exit_code::ExitCode::Missing);
    assert_eq!(nothing.hint().as_deref(), Some("apt-get install git"));
}

/// The watch of the example's API, as the manifest says, over the example unpacked at `workdir`.
fn watch_of_the_api(workdir: &Utf8Path) -> Watcher {
    let manifest = load(&workdir.join("agent-harness/harness.toml")).expect("the manifest").manifest;
    let api = manifest.process.iter().find(|process| process.name == "api").expect("the api");
    let ports = manifest.ports.keys().zip(3010..).map(|(name, port)| (name.clone(), port)).collect();
    let secret = || Secret::new("secret".to_owned());
    let host = || "127.0.0.1".to_owned();
    let name = || "agent-1".to_owned();
    let context = Context {
        id: 1,
        name: name(),
        workdir: workdir.to_owned(),
        project: "/p".into(),
        ports,
        postgres: Some(Postgres { host: host(), port: 1, database: name(), user: name(), password: secret() }),
        s3: Some(S3 {
            host: host(),
            port: 1,
            region: name(),
            bucket: name(),
            access_key: name(),
            secret_key: secret(),
        }),
        mail: Some(Mail { host: host(), port: 1, web_port: 2, user: name(), password: secret() }),
        browser: Some(Browser { host: host(), port: 1 }),
    };
    let spec = resolve_process(&manifest, api, &context, &indexmap::IndexMap::new()).expect("a process");
    Watcher::start(&spec.watch.expect("a watch"), &spec.cwd).expect("a watcher")
}

/// The next report, or nothing when there is none within a time that is long against the debounce.
async fn next_change(watcher: &mut Watcher) -> Option<usize> {
    let changed = tokio::time::timeout(Duration::from_secs(1), watcher.changed()).await.ok()?;
    Some(changed.expect("a report").count)
}

#[test]
fn the_examples_api_restarts_for_what_it_runs_and_for_nothing_else() {
    let world = World::new();
    let dest = world.path("state/shop");
    unpack_to(&dest).expect("unpacked");
    for folder in ["packages/common/dist", "packages/backend/src/generated", "packages/backend/node_modules"] {
        fs_err::create_dir_all(dest.join(folder)).expect("a folder");
    }
    let (built, generated) =
        (dest.join("packages/common/dist/index.js"), dest.join("packages/backend/src/generated/routes.ts"));
    overwrite(&built, "export {};\n");
    overwrite(&generated, "export const routes = [];\n");
    run(async {
        let mut watcher = watch_of_the_api(&dest);
        assert_eq!(next_change(&mut watcher).await, None);
        assert!(watcher.settled());
        // A generator that writes the same again, what a compiler writes for itself, another package, a module.
        overwrite(&generated, "export const routes = [];\n");
        overwrite(&dest.join("packages/common/dist/.tsbuildinfo"), "{}");
        overwrite(&dest.join("packages/common/dist/index.d.ts"), "export {};\n");
        overwrite(&dest.join("packages/common/src/index.ts"), "export {};\n");
        overwrite(&dest.join("packages/frontend/src/main.tsx"), "export {};\n");
        overwrite(&dest.join("packages/backend/node_modules/x.js"), "export {};\n");
        assert_eq!(next_change(&mut watcher).await, None);
        overwrite(&built, "export const built = 2;\n");
        assert_eq!(next_change(&mut watcher).await, Some(1));
        overwrite(&generated, "export const routes = [1];\n");
        assert_eq!(next_change(&mut watcher).await, Some(1));
        overwrite(&dest.join("packages/backend/src/app.ts"), "export {};\n");
        assert_eq!(next_change(&mut watcher).await, Some(1));
        assert_eq!(next_change(&mut watcher).await, None);
    });
}

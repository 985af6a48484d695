//! `agent-harness demo`, in a real Chromium; and the example that it unpacks.

use agent_harness::ops::example::{
    ExampleError,
    files::FILES,
    unpack::{Edits, Found, Unpacked, inspect, unpack},
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
    let modified = |path: &str| fs_err::metadata(dest.join(path)).expect("a file").modified().expect("a time");
    let (readme, note) = (modified("README.md"), modified(".git/agent-harness-example.json"));
    // What runs leave behind is ignored.
    fs_err::create_dir_all(dest.join("node_modules/x")).expect("a folder");
    overwrite(&dest.join("node_modules/x/y"), "z");
    overwrite(&dest.join(".env.agent.1"), "PORT=8010\n");
    assert_eq!(unpack_to(&dest).expect("unpacked"), Unpacked::Unchanged);
    assert_eq!(git(&dest, &["rev-parse", "HEAD"]), before);
    assert_eq!((modified("README.md"), modified(".git/agent-harness-example.json")), (readme, note));
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

//! `uninstall`: says what there is, loses nobody's work, leaves nothing.

use camino::Utf8PathBuf;

use crate::world::{
    project::Project,
    run::{Ran, run},
};

/// In the app, with a cache of this world's own: the tests' common one is to stay.
fn uninstall(project: &Project, args: &[&str]) -> Ran {
    let mut command = project.command(&[&["uninstall"], args].concat());
    run(command.env("AGENT_HARNESS_CACHE_DIR", project.world.path("cache")))
}

fn entries(directory: &Utf8PathBuf) -> Vec<String> {
    let entries = directory.read_dir_utf8().expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_owned()).collect()
}

#[test]
fn all_of_ours_goes_and_nobodys_work() {
    let project = Project::guestbook();
    let (state, cache) = (project.world.path("state"), project.world.path("cache"));
    let exclude = fs_err::read_to_string(project.root.join(".git/info/exclude")).unwrap_or_default();
    fs_err::create_dir_all(cache.join("obtained/something")).expect("what was obtained");
    fs_err::write(cache.join("theirs"), "not ours\n").expect("a file");
    project.ok(&["launch", "1"]);
    project.ok(&["launch", "2", "--worktree"]);
    let worktree = project.world.path("home/worktrees/agent-2");
    fs_err::write(worktree.join("work.txt"), "a day's work\n").expect("a file");

    let files = project.state_files();
    let plan = uninstall(&project, &["--dry-run", "--json"]).exits(0).json();
    assert_eq!(plan["agents"].as_array().map(Vec::len), Some(2), "{plan}");
    assert_eq!(plan["directories"], serde_json::json!([state, cache]));
    let shown = uninstall(&project, &["--dry-run"]).exits(0).out;
    for part in ["agent 1 of ", worktree.as_str(), "the infra with all databases", state.as_str(), cache.as_str()] {
        assert!(shown.contains(part), "no {part} in:\n{shown}");
    }
    assert_eq!(project.state_files().len(), files.len());
    project.ok(&["cli", "1", "health"]);

    uninstall(&project, &[]).exits(4).says(&["Agent 2 was not torn down, so the rest stays too", "work.txt"]);
    assert!(worktree.join("work.txt").exists() && cache.join("obtained/something").exists());
    project.ok(&["cli", "2", "health"]);

    let said = uninstall(&project, &["--force"]).exits(0);
    assert!(said.err.contains(&format!("{cache} stays, because something else lies in it")), "{}", said.err);
    assert!(!state.exists() && !worktree.exists());
    assert_eq!(entries(&cache), ["theirs"]);
    assert_eq!(project.processes(), []);
    assert_eq!(fs_err::read_to_string(project.root.join(".git/info/exclude")).unwrap_or_default(), exclude);
    assert_eq!(project.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(project.git(&["status", "--porcelain", "--ignored"]), "");

    fs_err::remove_file(cache.join("theirs")).expect("their file");
    uninstall(&project, &[]).exits(0);
    assert!(!cache.exists() && !state.exists());
    uninstall(&project, &["--dry-run"]).exits(0).says(&["There is nothing."]);
    uninstall(&project, &[]).exits(0).says(&["There is nothing."]);
    assert!(!cache.exists() && !state.exists());
}

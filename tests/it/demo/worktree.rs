//! An agent of the example in a git worktree: npm's workspaces are linked there, and what is built there stays there.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{
    git, overwrite,
    shop::{Answer, Shop, wait},
};

/// What lies in a folder, to the byte.
fn contents(folder: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let entries = folder.read_dir_utf8().expect("a folder").map(|entry| entry.expect("an entry").into_path());
    entries.filter(|path| path.is_file()).map(|path| (path.clone(), fs_err::read(path).expect("a file"))).collect()
}

/// Leaves the shop as it was.
pub(super) fn is_its_agents_alone(shop: &Shop) {
    let dist = shop.checkout.join("packages/common/dist");
    let (built, running) = (contents(&dist), shop.running());
    let launch = shop.command(&["launch", "3", "--worktree"]).current_dir(&shop.checkout).output().expect("it runs");
    assert!(launch.status.success(), "{}", String::from_utf8_lossy(&launch.stderr));
    let worktree = shop.world.path("home/worktrees/agent-3");
    assert_eq!(git(&worktree, &["status", "--porcelain"]), "");
    let inside = shop.command(&["status", "--json"]).current_dir(&worktree).output().expect("it runs");
    let status: serde_json::Value = serde_json::from_slice(&inside.stdout).expect("JSON");
    assert_eq!((&status["id"], &status["branch"]), (&json!(3), &json!("agent-3")), "{status}");
    let env = fs_err::read_to_string(worktree.join(".env.agent.3")).expect("an env file");
    assert!(env.lines().any(|line| line == "DATABASE_NAME='agent_3'"), "{env}");

    let source = worktree.join("packages/common/src/money.ts");
    let text = fs_err::read_to_string(&source).expect("a source");
    let new = shop.world.path("home/edit.ts");
    overwrite(&new, &format!("{text}\nexport const edit = 'in a worktree';\n"));
    fs_err::rename(&new, &source).expect("saved");
    let own = worktree.join("packages/common/dist/money.js");
    assert!(
        wait(|| fs_err::read_to_string(&own).is_ok_and(|text| text.contains("in a worktree"))),
        "nothing was built"
    );
    let api = shop.wait_ready(3, "api", |api| api.restarts > 0);
    assert_eq!(api.restarts, 1);
    assert_eq!(contents(&dist), built);
    assert_eq!(shop.running(), running);

    let Answer { code, stderr, .. } = shop.run(&["teardown", "3"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("packages/common/src/money.ts"), "{stderr}");
    git(&worktree, &["checkout", "--quiet", "packages/common"]);
    shop.json(&["teardown", "3", "--json"]);
    assert!(!worktree.exists());
    assert_eq!(git(&shop.checkout, &["branch", "--list", "agent-3"]), "");
    assert_eq!(shop.running(), running);
}

//! The environment file as apps read it: npm's dotenv and dotenv-expand, and shells.

use std::{collections::BTreeMap, process::Command};

use agent_harness::{
    model::{env_value::quote, id::AgentId},
    resource::env_file,
};
use camino::Utf8Path;
use indexmap::IndexMap;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::world::{World, tools};

type Values = BTreeMap<String, String>;

/// What every reader makes of the file at `path`, which holds the variables `names`; by reader.
fn readings(path: &Utf8Path, names: &[String]) -> BTreeMap<String, Values> {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/env/read.cjs");
    let output = Command::new("node").args([fixture, path.as_str()]).arg(tools::npm("env")).output().expect("node");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut readings: BTreeMap<String, Values> = serde_json::from_slice(&output.stdout).expect("JSON of the reader");
    let script = r#"file=$1; shift; . "$file"; for name; do eval "printf '%s\0' \"\$$name\""; done"#;
    for shell in ["sh", "dash", "bash"] {
        let output = Command::new(shell)
            .env_clear()
            .current_dir(path.parent().expect("a folder"))
            .args(["-euc", script, "x", &format!("./{}", path.file_name().expect("a name"))])
            .args(names)
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let values = text.split_terminator('\0').map(str::to_owned);
        readings.insert(shell.to_owned(), names.iter().cloned().zip(values).collect());
    }
    readings
}

/// Writes `values` as an agent's file and asserts that every reader gives them back.
fn assert_all_read(world: &World, values: &[String]) {
    let env: IndexMap<String, String> =
        values.iter().enumerate().map(|(index, value)| (format!("V{index}"), value.clone())).collect();
    let id = AgentId::new(1).expect("an id");
    let workdir = world.path("home");
    env_file::ensure(&workdir, id, &env).expect("a written file");
    let expected: Values = env.clone().into_iter().collect();
    let names: Vec<String> = env.into_keys().collect();
    let readings = readings(&env_file::path(&workdir, id), &names);
    assert_eq!(readings.len(), 2 * 5 + 3);
    for (reader, read) in readings {
        assert_eq!(read, expected, "{reader}");
    }
}

#[test]
fn the_values_that_break_others_are_read_by_all() {
    let values = [
        "",
        " spaces \t around ",
        "two\nlines",
        "\n",
        "OTHER=1\nV0=2\n# no comment",
        "#not a comment",
        "a # b",
        "a=b==c",
        "say \"hi\"",
        "`id`",
        "it's",
        "it's\nB='x'",
        "'quoted'",
        "back\\slash \\n \\t \\\\ \\\"",
        "cost: 5$",
        "$$ $",
        "100%",
        "{\"a\": [1, \"b\\nc\"]}",
        "https://u:p@host:1/?a=b&c=d#e",
        "Grüße, 日本語 🦀",
        "a;b|c>d<e(f)*?[g]~!",
        "last",
    ];
    assert_all_read(&World::new(), &values.map(str::to_owned));
}

#[test]
fn any_value_that_is_written_is_read_by_all() {
    let world = World::new();
    let value = "[ab1 \\n\"'`$#=\\\\{}(),;:!*~_.\\-&|<>é日\\t]{0,12}";
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&prop::collection::vec(value, 40), |values| {
            let values: Vec<String> = values.into_iter().filter(|value| quote(value).is_ok()).collect();
            assert_all_read(&world, &values);
            Ok(())
        })
        .expect("every value");
}

#[test]
fn git_ignores_the_file_in_every_checkout() {
    let world = World::new();
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .args(["-C", world.path("home").as_str()])
            .args(args)
            .env("HOME", world.path("home"))
            .output()
            .expect("git");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    git(&["init", "-q"]);
    let exclude = world.path("home/.git/info/exclude");
    let before = fs_err::read_to_string(&exclude).unwrap_or_default();
    env_file::ensure(&world.path("home"), AgentId::new(1).expect("an id"), &IndexMap::new()).expect("a file");
    assert!(git(&["status", "--porcelain"]).contains(".env.agent.1"));
    env_file::ensure_excluded(&world.path("home/.git")).expect("a block");
    let once = fs_err::read_to_string(&exclude).expect("the file");
    env_file::ensure_excluded(&world.path("home/.git")).expect("the same block");
    assert_eq!(fs_err::read_to_string(&exclude).expect("the file"), once);
    assert_eq!(git(&["status", "--porcelain"]), "");
    env_file::remove_excluded(&world.path("home/.git")).expect("no block");
    assert_eq!(fs_err::read_to_string(&exclude).expect("the file"), before);
}

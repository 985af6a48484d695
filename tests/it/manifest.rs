//! Errors of a manifest as the user sees them, and what stands in `docs/reference` about it.

use agent_harness::{
    config::manifest::{self, ManifestError},
    error::Error,
};
use insta::assert_snapshot;
use rstest::rstest;

use crate::world::World;

fn error(sources: &[(&str, &str)]) -> ManifestError {
    let sources: Vec<_> = sources.iter().map(|(path, text)| ((*path).into(), (*text).to_owned())).collect();
    manifest::parse(&sources).expect_err("an error")
}

/// `line:column: message` of the error in a manifest that starts with a name.
fn place(text: &str) -> String {
    match error(&[("harness.toml", &format!("name = \"t\"\n{text}"))]) {
        ManifestError::Invalid(finding) => format!("{}:{}: {}", finding.line, finding.column, finding.message),
        other => other.to_string(),
    }
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_the_nearest_key() {
    let text = "name = \"t\"\n\n[[process]]\nname = \"api\"\nrun = \"true\"\nwacth = [\"src\"]\n";
    let error = Error::from(error(&[("agent-harness/harness.toml", text)]));
    assert_eq!(error.exit_code() as u8, 2);
    assert_eq!(error.hint().as_deref(), Some("correct agent-harness/harness.toml:6"));
    assert_snapshot!(error.chain(), @r#"
    agent-harness/harness.toml:6:1: unknown key `wacth`; the nearest known one is `watch`
      |
    6 | wacth = ["src"]
      | ^^^^^
    "#);
}

#[test]
fn an_error_in_the_local_file_names_that_file() {
    let base = "name = \"t\"\n[[process]]\nname = \"api\"\nrun = \"true\"\n";
    let local = "[[process]]\nname = \"api\"\nstop_grace = \"soon\"\n";
    assert_snapshot!(error(&[("harness.toml", base), ("harness.local.toml", local)]), @r#"
    harness.local.toml:3:14: "soon" is no duration: write a whole number and ms, s, m or h, such as "500ms", "180s" or "2m"
      |
    3 | stop_grace = "soon"
      |              ^^^^^^
    "#);
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let text = format!("name = \"t\"\n[env]\nA = \"{}{{{{ nope }}}}{}\"\n", "é".repeat(300), "x".repeat(300));
    let text = error(&[("harness.toml", &text)]).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("harness.toml:3:306: unknown name `nope`; known here: `id`, "), "{text}");
    let (excerpt, caret) =
        (lines[2].strip_prefix("3 | ").expect("the line"), lines[3].strip_prefix("  | ").expect("the caret"));
    let start = caret.find('^').expect("a caret");
    assert_eq!(excerpt.chars().skip(start).take(caret.trim().len()).collect::<String>(), "{{ nope }}");
    assert!(excerpt.chars().count() <= 100);
}

#[rstest]
// Syntax.
#[case("a = ", "2:5: string values must be quoted, expected literal string")]
#[case("name = \"u\"", "2:1: duplicate key")]
// Unknown keys and values, wrong types.
#[case("[infra]\nprovder = \"docker\"", "3:1: unknown key `provder`; the nearest known one is `provider`")]
#[case("[infra]\nprovider = \"dokcer\"", "3:12: unknown value \"dokcer\"; the nearest known one is `docker`")]
#[case(
    "[infra]\nservices = [\"s3\", \"redis\"]",
    "3:19: unknown value \"redis\"; known here: `postgres`, `s3`, `browser`, `mail`"
)]
#[case("[infra]\nprovider = 1", "3:12: a text in quotes is expected here, not the number 1")]
#[case("[infra]\nservices = [\"s3\", \"s3\"]", "3:19: this service is named twice")]
#[case("env = []", "2:7: a table is expected here, not a list")]
#[case("[env]\nPORT = 8000", "3:8: a text in quotes is expected here, not the number 8000")]
#[case("[env]\nDAY = 2026-01-01", "3:7: a text in quotes is expected here, not the date 2026-01-01")]
#[case("[ports]\napi = 70000", "3:7: a whole number from 0 to 65535 is expected here, not the number 70000")]
#[case("[ports]\napi = -1", "3:7: a whole number from 0 to 65535 is expected here, not the number -1")]
#[case("[ports]\napi = 99999999999999999999", "3:7: 99999999999999999999 is too large")]
#[case("[[process]]\nname = \"a\"", "2:1: the key `run` is missing")]
// Ports.
#[case("[ports]\napi = 80", "3:7: 80 cannot be a port's base: agent <id> gets base + 10 * id, from 1024 to 32767")]
#[case(
    "[ports]\napi = 32760",
    "3:7: 32760 cannot be a port's base: agent <id> gets base + 10 * id, from 1024 to 32767"
)]
#[case("[ports]\na = 3000\nb = 3000", "4:5: `b` and `a` have the same base 3000")]
#[case("[infra.ports]\ns3 = 15432", "3:6: `s3` and `postgres` have the same port 15432")]
#[case("[infra.ports]\nsmtp = 25", "3:8: port 25 of `smtp` is below 1024")]
// Names.
#[case(
    "[ports]\n\"a/b\" = 3000",
    "3:1: \"a/b\" cannot be a name: 1 to 48 letters, digits, `-` and `_`, the first no `-`"
)]
#[case(
    "[[process]]\nname = \"../x\"\nrun = \"a\"",
    "3:8: \"../x\" cannot be a name: 1 to 48 letters, digits, `-` and `_`, the first no `-`"
)]
#[case("process = [{ name = \"a\", run = \"x\" }, { name = \"a\", run = \"y\" }]", "2:48: the name `a` is given twice")]
#[case(
    "[env]\n\"A\\nB\" = \"x\"",
    "3:1: \"A\\nB\" cannot be a variable's name: letters, digits and `_`, the first no digit"
)]
#[case("[env]\nAGENT_HARNESS_STACK = \"x\"", "3:1: AGENT_HARNESS_STACK is set by the harness itself")]
#[case("[template]\ndatabase = \"agent_1\"", "3:12: the name `agent_1` belongs to the server or to an agent")]
#[case(
    "[template]\ndatabase = \"a-b\"",
    "3:12: \"a-b\" cannot be a database's name: lower-case letters, digits and `_`, the first no digit, at most 63"
)]
// References.
#[case(
    "process = [{ name = \"api\", run = \"x\" }, { name = \"b\", run = \"y\", after = [\"apo\"] }]",
    "2:75: unknown process `apo`; the nearest known one is `api`"
)]
#[case(
    "process = [{ name = \"a\", run = \"x\", after = [\"b\"] }, { name = \"b\", run = \"y\", after = [\"a\"] }]",
    "2:45: these processes wait for each other: a → b → a"
)]
#[case(
    "[ports]\napi = 8000\n[[process]]\nname = \"a\"\nrun = \"x\"\nready = { tcp = \"aip\" }",
    "7:17: unknown port `aip`; the nearest known one is `api`"
)]
// Exactly one of.
#[case(
    "[[process]]\nname = \"a\"\nrun = \"x\"\nready = { timeout = \"5s\" }",
    "5:9: one of `http`, `tcp`, `log`, `command` is needed"
)]
#[case(
    "[[process]]\nname = \"a\"\nrun = \"x\"\nready = { log = \"x\", command = \"y\" }",
    "5:22: only one of `http`, `tcp`, `log`, `command` can be given, and `log` is"
)]
#[case(
    "[[process]]\nname = \"a\"\nrun = \"x\"\nready = { http = \"/\" }",
    "5:9: `http` needs `port`, the name of the port it asks"
)]
#[case(
    "[[process]]\nname = \"a\"\nrun = \"x\"\nready = { log = \"(\" }",
    "5:17: this is no regular expression: unclosed group"
)]
#[case("[[template.after_clone]]\nname = \"a\"", "2:1: one of `sql`, `run` is needed")]
#[case("[[verify.stage]]\nname = \"a\"\ntasks = {}", "4:9: a stage needs at least one task")]
// Tasks, in both forms.
#[case(
    "[[verify.stage]]\nname = \"a\"\ntasks = { a = 1 }",
    "4:15: a command in quotes, or a table with `run`, is expected here, not the number 1"
)]
#[case(
    "[[verify.stage]]\nname = \"a\"\ntasks = { a = { run = \"x\", chagned = \"y\" } }",
    "4:28: unknown key `chagned`; the nearest known one is `changed`"
)]
#[case("[[verify.stage]]\nname = \"a\"\ntasks = { a = { cwd = \"x\" } }", "4:15: the key `run` is missing")]
#[case(
    "[[verify.stage]]\nname = \"a\"\ntasks = { a = \"x {{ verify.base }}\" }",
    "4:18: `verify.base` is known in `changed` of a task only"
)]
#[case(
    "[[verify.stage]]\nname = \"a\"\n[verify.stage.tasks.b]\nrun = \"x\"\nchanged = \"y {{ verify.bas }}\"",
    "6:14: unknown name `verify.bas`; the nearest known one is `verify.base`"
)]
#[case(
    "[[verify.stage]]\nname = \"a\"\ntasks = { a = { run = \"x\", memory = \"4\" } }",
    "4:37: \"4\" is no amount of memory: write a whole number and m or g, such as \"512m\" or \"4g\""
)]
#[case(
    "[[verify.stage]]\nname = \"a\"\ntasks = { a = { run = \"x\", expect = \"(\" } }",
    "4:37: this is no regular expression: unclosed group"
)]
#[case("[verify]\nbase = \"-x\"", "3:8: \"-x\" cannot be a branch")]
// Texts.
#[case(
    "[env]\nA = \"x {{ prots.api }}\"\n[ports]\napi = 8000",
    "3:8: unknown name `prots.api`; the nearest known one is `ports.api`"
)]
#[case("[env]\nA = \"{{ id }} {{ id\"", "3:15: `{{` without `}}` (a plain `{{` is written `{{{{`)")]
#[case("[env]\nA = \"{{ id | upper }}\"", "3:6: `{{ id | upper }}` is no name: letters, digits, `-`, `_` and `.` only")]
#[case(
    "[infra]\nservices = [\"s3\"]\n[env]\nA = \"{{ postgres.url }}\"",
    "5:6: unknown name `postgres.url`: `infra.services` leaves out postgres"
)]
#[case(
    "[[process]]\nname = \"a\"\nrun = \"x --db {{ postgres.url }}\"",
    "4:15: `postgres.url` is secret and this text can be seen by others: give it in `env`"
)]
#[case(
    "[urls]\na = \"http://x/?{{ s3.secret_key }}\"",
    "3:16: `s3.secret_key` is secret and this text can be seen by others: give it in `env`"
)]
#[case(
    "[[process]]\nname = \"a\"\nrun = \"echo 'x\"",
    "4:7: the command has a quote that is not closed, or ends with a backslash"
)]
#[case("[[process]]\nname = \"a\"\nrun = \" \"", "4:7: the command is empty")]
#[case("[[process]]\nname = \"a\"\nrun = \"x\"\ncwd = \"../y\"", "5:7: \"../y\" leaves the workdir")]
#[case(
    "[[process]]\nname = \"a\"\nrun = \"x\"\ncwd = \"/y\"",
    "5:7: \"/y\" is absolute: a folder is given relative to the workdir"
)]
#[case(
    "[[process]]\nname = \"a\"\nrun = \"x \\u0000\"",
    "4:7: a NUL character can stand in no command, path or environment"
)]
#[case(
    "[env]\nA = \"a$HOME\"",
    "3:5: dotenv and sh would not read this value alike: it has a `$` before a letter, digit, `_`, `.`, `{` or `(`, which some would expand (the `env` of a process is not written to the file and takes any)"
)]
fn what_is_wrong_is_said_at_its_place(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(place(text), expected);
}

#[test]
fn the_local_file_is_laid_over() {
    let base = "name = \"t\"\n[ports]\na = 3000\n[env]\nA = \"1\"\nB = \"1\"\n[[process]]\nname = \"p\"\nrun = \"x\"\nwatch = [\"a\", \"b\"]\n";
    let local = "expose = \"tailscale0\"\nports = { a = 4000, b = 5000 }\nenv.B = \"2\"\n[[process]]\nname = \"p\"\nwatch = [\"c\"]\n[[process]]\nname = \"q\"\nrun = \"y\"\n";
    let loaded = manifest::parse(&[("a".into(), base.to_owned()), ("b".into(), local.to_owned())]).expect("a manifest");
    assert_eq!(loaded.expose.as_deref(), Some("tailscale0"));
    let manifest = loaded.manifest;
    assert_eq!(manifest.ports.values().copied().collect::<Vec<_>>(), [4000, 5000]);
    assert_eq!(manifest.env.values().collect::<Vec<_>>(), ["1", "2"]);
    let processes: Vec<_> =
        manifest.process.iter().map(|process| (&*process.name, &*process.run, &process.watch[..])).collect();
    assert_eq!(processes, [("p", "x", &["c".to_owned()][..]), ("q", "y", &[])]);
    assert!(error(&[("harness.toml", "name = \"t\"\nexpose = \"x\"")]).to_string().contains("unknown key `expose`"));
}

/// Files that no person wrote: each must end in an error, soon, and with the file's name.
#[test]
fn hostile_files_are_refused() {
    let world = World::new();
    let path = world.path("harness.toml");
    let deep = |open: &str, close: &str| format!("name = {}1{}", open.repeat(50_000), close.repeat(50_000));
    let files: Vec<(Vec<u8>, &str)> = vec![
        (deep("[", "]").into_bytes(), "harness.toml:1:"),
        (deep("{a=", "}").into_bytes(), "harness.toml:1:"),
        (format!("{}a = 1", "a.".repeat(100_000)).into_bytes(), "harness.toml:1:"),
        (format!("[{}a]", "a.".repeat(100_000)).into_bytes(), "harness.toml:1:"),
        (b"name = \"t\"\n\n\xff = 1".to_vec(), "harness.toml:3: bytes that are not UTF-8"),
        (b"name = \"t\"\n\0".to_vec(), "harness.toml:2:2: key with no value"),
        (vec![b'#'; 300 * 1024], "more than 262144 bytes"),
        (Vec::new(), "harness.toml:1:1: the key `name` is missing"),
        (format!("name = \"t\"\n{} = 1", "x".repeat(200_000)).into_bytes(), "xxx…`; known here: "),
    ];
    for (bytes, expected) in files {
        fs_err::write(&path, &bytes).expect("a file");
        let begun = std::time::Instant::now();
        let text = manifest::load(&path).expect_err("an error").to_string();
        assert!(text.contains(expected), "{}: {}", expected, text.chars().take(400).collect::<String>());
        assert!(begun.elapsed().as_secs() < 5, "{expected} took {:?}", begun.elapsed());
    }
    fs_err::remove_file(&path).expect("the file");
    fs_err::create_dir(&path).expect("a folder in its place");
    assert!(matches!(manifest::load(&path), Err(ManifestError::Read { .. })));
}

#[test]
fn the_schema_in_docs_is_current() {
    let output = World::new().harness(["schema"]).output().expect("the binary");
    assert!(output.status.success());
    let current = String::from_utf8(output.stdout).expect("UTF-8");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/harness.schema.json");
    let written = fs_err::read_to_string(path).expect("the schema");
    assert!(written == current, "renew it: cargo run -- schema > docs/reference/harness.schema.json");
}

#[test]
fn the_reference_in_docs_holds_the_example() {
    let output = World::new().harness(["schema", "--example"]).output().expect("the binary");
    let example = String::from_utf8(output.stdout).expect("UTF-8");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/manifest.md");
    let written = fs_err::read_to_string(path).expect("the reference");
    let block = format!("```toml\n{}\n```\n", example.trim_end());
    assert!(written.contains(&block), "put src/config/default.toml into docs/reference/manifest.md again");
}

//! Rules of style that no compiler checks. Each one reads the sources as text and names file and line.

use camino::{Utf8Path, Utf8PathBuf};

/// Longest file, in lines before its tests.
const MAX_LINES: usize = 400;

/// A module and its layer; a module uses its own layer or a lower one.
const LAYERS: &[(&str, u8)] = &[
    ("cli", 5),
    ("commands", 4),
    ("supervise", 4),
    ("ops", 3),
    ("infra", 2),
    ("resource", 2),
    ("supervisor", 2),
    ("wire", 2),
    ("config", 1),
    ("store", 1),
    ("process", 1),
    ("output", 1),
    ("model", 0),
    ("error", 0),
    ("exit_code", 0),
];

struct Source {
    path: Utf8PathBuf,
    /// The lines before `#[cfg(test)]`.
    lines: Vec<String>,
}

fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir_utf8().expect("a folder of ours") {
            let path = entry.expect("an entry").into_path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension() == Some("rs") {
                let text = fs_err::read_to_string(&path).expect("a source file");
                let lines =
                    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).map(str::to_owned).collect();
                found.push(Source { path: path.strip_prefix(root()).expect("below the root").to_owned(), lines });
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// The places in `folder` where `bad` says so, except in the files `except`.
fn places(folder: &str, except: &[&str], bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut hits = Vec::new();
    for source in sources(folder) {
        if except.iter().any(|end| source.path.as_str().ends_with(end)) {
            continue;
        }
        for (number, line) in source.lines.iter().enumerate() {
            if !line.trim_start().starts_with("//") && bad(line) {
                hits.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    hits
}

fn assert_none(rule: &str, hits: &[String]) {
    assert!(hits.is_empty(), "{rule}:\n{}", hits.join("\n"));
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

#[test]
fn a_module_uses_its_own_layer_or_a_lower_one() {
    let mut hits = Vec::new();
    for source in sources("src") {
        let within = source.path.strip_prefix("src").expect("below src");
        let module = within.components().next().expect("a name").as_str().trim_end_matches(".rs");
        if ["main", "lib"].contains(&module) {
            continue;
        }
        let own = layer_of(module).unwrap_or_else(|| panic!("{module} has no layer in this test"));
        // A `use crate::{…}` of several lines is one statement: look at the text up to its semicolon.
        let text = source
            .lines
            .iter()
            .filter(|line| !line.trim_start().starts_with("//"))
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        for (at, _) in text.match_indices("crate::") {
            let rest = &text[at + "crate::".len()..];
            let names: Vec<&str> =
                if let Some(group) = rest.strip_prefix('{') { top_level_names(group) } else { vec![rest] };
            for name in names {
                let used: String = name.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if layer_of(&used).is_some_and(|layer| layer > own) {
                    hits.push(format!("{}: {module} (layer {own}) uses {used}", source.path));
                }
            }
        }
    }
    assert_none("a higher layer is used", &hits);
}

/// The names directly inside `{ … }`, given the text after the brace.
fn top_level_names(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&group[start..at]);
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = sources("src")
        .into_iter()
        .filter(|source| source.lines.len() > MAX_LINES)
        .map(|source| format!("{}: {} lines", source.path, source.lines.len()))
        .collect();
    assert_none("above 400 lines without tests", &long);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources("src")
        .into_iter()
        .filter(|source| !source.lines.first().is_some_and(|line| line.starts_with("//!")))
        .map(|source| source.path.to_string())
        .collect();
    assert_none("no module doc on the first line", &silent);
}

#[test]
fn one_door_to_the_terminal() {
    let hits = places("src", &["output/printer.rs", "output/progress.rs"], |line| {
        ["println!", "eprintln!", "print!(", "std::io::stdout()", "anstream::"].iter().any(|bad| line.contains(bad))
    });
    assert_none("prints without the printer", &hits);
}

#[test]
fn one_door_to_outside_commands() {
    let hits = places("src/", &[], |line| line.contains("Command::new("));
    let outside: Vec<String> = hits.into_iter().filter(|hit| !hit.starts_with("src/process/")).collect();
    assert_none("runs a command outside process/", &outside);
}

#[test]
fn unsafe_code_stays_in_process() {
    let hits = places("src", &[], |line| line.contains("unsafe {") || line.contains("unsafe fn"));
    let outside: Vec<String> = hits.into_iter().filter(|hit| !hit.starts_with("src/process/")).collect();
    assert_none("unsafe outside process/", &outside);
}

#[test]
fn no_result_is_dropped_and_nobody_sleeps() {
    for folder in ["src", "tests"] {
        let hits = places(folder, &["tests/it/guards.rs", "tests/it/world/wait.rs"], |line| {
            let dropped = line.trim_end().ends_with(".ok();") && !line.contains(" = ");
            dropped
                || ["let _ = ", "|| true", "thread::sleep", "todo!(", "unimplemented!(", "#[ignore", "#[allow"]
                    .iter()
                    .any(|bad| line.contains(bad))
        });
        assert_none("dropped, slept, or left undone", &hits);
    }
}

#[test]
fn nothing_listens_beyond_loopback() {
    let hits = places("src", &[], |line| line.contains("0.0.0.0") || line.contains("UNSPECIFIED"));
    assert_none("an address that is not loopback", &hits);
}

#[test]
fn every_integration_file_is_compiled() {
    let main = fs_err::read_to_string(root().join("tests/it/main.rs")).expect("the test binary");
    let missing: Vec<String> = sources("tests/it")
        .iter()
        .map(|source| source.path.strip_prefix("tests/it").expect("below tests/it").to_owned())
        .filter(|path| path.components().count() == 1 && path.as_str() != "main.rs")
        .map(|path| path.as_str().trim_end_matches(".rs").to_owned())
        .filter(|module| !main.contains(&format!("mod {module};")))
        .collect();
    assert_none("a test file that main.rs does not name", &missing);
}

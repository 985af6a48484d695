//! Node's own test runner, Vitest, Jest, esbuild and Vite, and what an uncaught error leaves.

use super::{Finding, NEAR, Place, group, pattern};

/// A place of a stack: `at name (file:1:2)`, `at file:1:2`, `❯ name file:1:2`.
fn frame(line: &str) -> Option<Place> {
    let bracketed = pattern!(r"^\s*(?:at|❯) .*\((?:file://)?(?<file>[^()]+?):(?<line>\d+):(?<column>\d+)\)$");
    let bare = pattern!(r"^\s*(?:at|❯) (?:async )?(?:.*\s)?(?:file://)?(?<file>\S+?):(?<line>\d+):(?<column>\d+)$");
    let found = bracketed.captures(line).or_else(|| bare.captures(line))?;
    let file = group(&found, "file");
    let foreign =
        ["node:", "internal/", "webpack:", "<anonymous>", "native"].iter().any(|start| file.starts_with(start));
    if foreign || file.contains("node_modules/") {
        return None;
    }
    Some(Place::new(&unescaped(file), group(&found, "line"), group(&found, "column")))
}

/// A path out of a `file://` URL.
fn unescaped(file: &str) -> String {
    let bytes = file.as_bytes();
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        if let Some(code) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            plain.push(code);
            at += 3;
        } else {
            plain.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(plain).unwrap_or_else(|_| file.to_owned())
}

/// `not ok 1 - name` with its YAML block: location, error, stack.
pub(super) fn node_tap(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^\s*not ok \d+ - (?<name>.*)$");
    let name = group(&head.captures(lines[at])?, "name").to_owned();
    let block: Vec<&str> =
        lines.iter().skip(at + 1).take(NEAR).take_while(|line| line.trim() != "...").copied().collect();
    let location = pattern!(r"^\s*location: '(?<file>.+):(?<line>\d+):(?<column>\d+)'$");
    let error = pattern!(r"^\s*error: (?:'(?<text>.*)'|(?<other>[^|>].*)|[|>]-?)$");
    let mut message = None;
    let mut places = Vec::new();
    let mut in_stack = false;
    for (index, line) in block.iter().enumerate() {
        if let Some(found) = error.captures(line) {
            let own = format!("{}{}", group(&found, "text"), group(&found, "other"));
            let next = || block.get(index + 1).map(|line| line.trim().to_owned());
            message = if own.is_empty() { next() } else { Some(own) };
        } else if line.trim_start().starts_with("stack:") {
            in_stack = true;
        } else if in_stack && let Some(place) = frame(&format!("at {}", line.trim())) {
            places.push(place);
        }
    }
    // A suite fails because of what is in it, which was told before.
    if message
        .as_deref()
        .is_some_and(|message| message.contains("subtest failed") || message.contains("subtests failed"))
    {
        return None;
    }
    if let Some(found) = block.iter().find_map(|line| location.captures(line)) {
        places.push(Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column")));
    }
    let message = message.map_or_else(|| name.clone(), |message| format!("{name}: {message}"));
    Some(Finding::verdict(message, places))
}

/// `test at file:1:2` in the summary of Node's `spec` form, then `✖ name`, the error and its stack.
pub(super) fn node_spec(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^\s*test at (?<file>.+):(?<line>\d+):(?<column>\d+)$");
    let found = head.captures(lines[at])?;
    let name_line = pattern!(r"^\s*✖ (?<name>.*?)(?: \([\d.]+ms\))?$");
    let name = lines.get(at + 1).and_then(|line| name_line.captures(line));
    let name = name.as_ref().map_or("", |found| group(found, "name"));
    let block = lines.iter().skip(at + 2).take(NEAR).take_while(|line| !line.trim_start().starts_with("test at "));
    let block: Vec<&str> = block.copied().collect();
    let own = Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column"));
    let places = block.iter().filter_map(|line| frame(line)).chain([own]).collect::<Vec<_>>();
    let message = block.iter().map(|line| line.trim()).find(|line| !line.is_empty() && !line.starts_with("at "));
    Some(Finding::verdict(message.map_or_else(|| name.to_owned(), |message| format!("{name}: {message}")), places))
}

/// Vitest's ` FAIL  file > suite > test` and Jest's `  ● suite › test`: the error below it, and the stack below that.
pub(super) fn runner_block(lines: &[&str], at: usize) -> Option<Finding> {
    let vitest =
        pattern!(r"^\s*(?:FAIL|❯ FAIL)\s+(?:\|[^|]*\|\s*|[\w@/-]+\s+)?(?<file>\S+\.\w+)(?<rest>(?: >| \[).*)$");
    let jest = pattern!(r"^\s*● (?<name>.*)$");
    let line = lines[at];
    let (own, name) = match (vitest.captures(line), jest.captures(line)) {
        (Some(found), _) => (
            Some(Place { file: group(&found, "file").to_owned(), line: None, column: None }),
            group(&found, "rest").trim_start_matches([' ', '>']).to_owned(),
        ),
        // Jest names the file on a line before.
        (None, Some(found)) => (jest_file(&lines[..at]), group(&found, "name").to_owned()),
        (None, None) => return None,
    };
    let is_next = |line: &&&str| !vitest.is_match(line) && !jest.is_match(line) && !line.starts_with("⎯⎯⎯⎯");
    // Of several tests that failed alike Vitest writes the error once, below the last of them.
    let skipped = lines.iter().skip(at + 1).take(NEAR).take_while(|line| vitest.is_match(line)).count();
    let block: Vec<&str> = lines.iter().skip(at + 1 + skipped).take(NEAR).take_while(is_next).copied().collect();
    let places: Vec<Place> = block.iter().filter_map(|line| frame(line)).chain(own).collect();
    let message = block.iter().map(|line| line.trim()).find(|line| !line.is_empty())?;
    let message =
        if name.starts_with('[') || name.is_empty() { message.to_owned() } else { format!("{name}: {message}") };
    (!places.is_empty()).then(|| Finding::verdict(message, places))
}

fn jest_file(before: &[&str]) -> Option<Place> {
    let line = pattern!(r"^\s*FAIL\s+(?<file>\S+\.\w+)");
    let found = before.iter().rev().take(NEAR).find_map(|before| line.captures(before))?;
    Some(Place { file: group(&found, "file").to_owned(), line: None, column: None })
}

/// esbuild: `✘ [ERROR] message`, then `    file:1:2:`. Rolldown and Vite: `[plugin] file (1:2)`, `file: file:1:2`.
pub(super) fn bundler(lines: &[&str], at: usize) -> Option<Finding> {
    let esbuild = pattern!(r"^\s*[✘X] \[ERROR\] (?<message>.*)$");
    let place = pattern!(r"^\s+(?<file>\S.*?):(?<line>\d+):(?<column>\d+):$");
    let found = esbuild.captures(lines[at])?;
    let place = lines.iter().skip(at + 1).take(3).find_map(|line| place.captures(line));
    let place = place.map(|found| Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column")));
    Some(Finding::error(group(&found, "message"), place))
}

/// An error as it was thrown: `TypeError: message`, its stack below.
pub(super) fn thrown(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^\s*(?:Uncaught )?(?<message>[\w.]*(?:Error|Exception)(?: \[\w+\])?: .*)$");
    let found = head.captures(lines[at])?;
    let stack = lines.iter().skip(at + 1).take(60).skip_while(|line| !line.trim_start().starts_with("at "));
    let stack = stack.take_while(|line| line.trim_start().starts_with("at "));
    let places = stack.filter_map(|line| frame(line));
    let places: Vec<Place> = places.chain(importer(lines[at])).chain(syntax_error_place(lines, at)).collect();
    (!places.is_empty()).then(|| Finding::thrown(group(&found, "message"), places))
}

/// A module that is not there is missed by another: `… imported from /folder/a.js`.
fn importer(message: &str) -> Option<Place> {
    let (_, file) = message.rsplit_once(" imported from ")?;
    Some(Place { file: file.to_owned(), line: None, column: None })
}

/// Node shows the place of a syntax error before the message: `file:///a.js:12`, the line, a caret.
fn syntax_error_place(lines: &[&str], at: usize) -> Option<Place> {
    let line = pattern!(r"^(?:file://)?(?<file>/\S.*?):(?<line>\d+)$");
    let found = lines[at.saturating_sub(6)..at].iter().rev().find_map(|before| line.captures(before))?;
    Some(Place::new(&unescaped(group(&found, "file")), group(&found, "line"), ""))
}

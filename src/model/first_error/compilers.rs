//! TypeScript, Rust, Go, and `file:line:column: message`, which many others write.

use super::{Finding, NEAR, Place, group, pattern};

/// `src/a.ts(1,2): error TS2322: …`, and tsc's pretty form `src/a.ts:1:2 - error TS2322: …`.
pub(super) fn tsc(lines: &[&str], at: usize) -> Option<Finding> {
    let plain = pattern!(r"^\s*(?<file>[^\s:][^:]*?)\((?<line>\d+),(?<column>\d+)\): error (?<message>\w+\d+: .*)$");
    let pretty = pattern!(r"^\s*(?<file>[^\s:][^:]*?):(?<line>\d+):(?<column>\d+) - error (?<message>\w+\d+: .*)$");
    let global = pattern!(r"^error (?<message>TS\d+: .*)$");
    let line = lines[at];
    if let Some(found) = plain.captures(line).or_else(|| pretty.captures(line)) {
        let place = Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column"));
        return Some(Finding::error(group(&found, "message"), [place]));
    }
    global.captures(line).map(|found| Finding::error(group(&found, "message"), []))
}

/// `error[E0308]: …`, and the arrow to the place on one of the next lines.
pub(super) fn rustc(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^(?<kind>error|warning)(?:\[\w+\])?: (?<message>.*)$");
    let arrow = pattern!(r"^\s*--> (?<file>\S.*?):(?<line>\d+):(?<column>\d+)$");
    let found = head.captures(lines[at])?;
    let place = lines.iter().skip(at + 1).take(3).find_map(|line| arrow.captures(line))?;
    let place = Place::new(group(&place, "file"), group(&place, "line"), group(&place, "column"));
    let message = group(&found, "message");
    Some(match group(&found, "kind") {
        "error" => Finding::error(message, [place]),
        _ => Finding::warning(message, [place]),
    })
}

/// `thread 'x' panicked at src/a.rs:1:2:`, the message on the next line.
pub(super) fn rust_panic(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^thread '.*' (?:\(\d+\) )?panicked at (?<file>.+?):(?<line>\d+):(?<column>\d+):$");
    let found = head.captures(lines[at])?;
    let place = Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column"));
    let message = lines.get(at + 1).filter(|line| !line.is_empty()).map_or("panicked", |line| *line);
    Some(Finding::error(message, [place]))
}

/// `    a_test.go:12: message`, relative to the folder of the package.
pub(super) fn go_test(lines: &[&str], at: usize) -> Option<Finding> {
    let line = pattern!(r"^\s+(?<file>[\w./-]+\.go):(?<line>\d+): (?<message>.+)$");
    let found = line.captures(lines[at])?;
    // testing's own log lines look alike; only below a failed test it is an error.
    let failed = lines[..at].iter().rev().take(NEAR).any(|line| line.trim_start().starts_with("--- FAIL"));
    let place = Place::new(group(&found, "file"), group(&found, "line"), "");
    let message = group(&found, "message");
    Some(if failed { Finding::error(message, [place]) } else { Finding::warning(message, [place]) })
}

/// `file:line:column: message`, `file:line: message`: gcc, go, mypy, eslint's unix form, shellcheck, yamllint …
pub(super) fn generic(lines: &[&str], at: usize) -> Option<Finding> {
    let line = pattern!(
        r"^(?:vet: )?(?<file>(?:/|\./|\.\./)?[\w@][^\s:]*(?: [^\s:]+)*\.[A-Za-z]\w*):(?<line>\d+)(?::(?<column>\d+))?:?\s+(?:-\s+)?(?<message>\S.*)$"
    );
    let found = line.captures(lines[at])?;
    let place = Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column"));
    let message = group(&found, "message");
    let kind = pattern!(r"^(?i)(?<kind>note|info|hint|warning|fatal error|error)\b(?:\[[\w-]+\])?:? *(?<rest>.*)$");
    let Some(kind) = kind.captures(message) else { return Some(Finding::error(message, [place])) };
    let rest = if group(&kind, "rest").is_empty() { message } else { group(&kind, "rest") };
    match group(&kind, "kind").to_ascii_lowercase().as_str() {
        "warning" => Some(Finding::warning(rest, [place])),
        "error" | "fatal error" => Some(Finding::error(rest, [place])),
        _ => None,
    }
}

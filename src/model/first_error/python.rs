//! Python's tracebacks, pytest, Ruff.

use super::{Finding, NEAR, Place, group, pattern};

/// `Traceback (most recent call last):`; the innermost frame is the best place, then those that called it.
pub(super) fn traceback(lines: &[&str], at: usize) -> Option<Finding> {
    if lines[at].trim() != "Traceback (most recent call last):" {
        return None;
    }
    let frame = pattern!(r#"^\s*File "(?<file>[^"]+)", line (?<line>\d+)"#);
    let indent = lines[at].len() - lines[at].trim_start().len();
    let is_frame = |line: &&&str| line.starts_with(&" ".repeat(indent + 1)) || line.trim().is_empty();
    let frames: Vec<&str> = lines.iter().skip(at + 1).take(NEAR).take_while(is_frame).copied().collect();
    let mut places: Vec<Place> = frames
        .iter()
        .filter_map(|line| frame.captures(line))
        .filter(|found| is_own(group(found, "file")))
        .map(|found| Place::new(group(&found, "file"), group(&found, "line"), ""))
        .collect();
    places.reverse();
    let message = lines.get(at + 1 + frames.len()).map(|line| line.trim()).filter(|line| !line.is_empty())?;
    Some(Finding::error(message, places))
}

fn is_own(file: &str) -> bool {
    !file.starts_with('<') && !file.contains("site-packages/") && !file.contains("/lib/python")
}

/// pytest: `file:12: AssertionError` below the lines `E   message` of a failed test; else the line of its summary.
pub(super) fn pytest(lines: &[&str], at: usize) -> Option<Finding> {
    let end = pattern!(
        r"^(?<file>[^\s:][^:]*\.py):(?<line>\d+): (?<error>[\w.]*(?:Error|Exception|Failed|Exit|Warning)\b.*)?$"
    );
    let summary = pattern!(r"^(?:FAILED|ERROR) (?<file>[^\s:][^:]*\.py)(?:::\S+)?(?: - (?<message>.*))?$");
    let line = lines[at];
    if let Some(found) = summary.captures(line) {
        let place = Place { file: group(&found, "file").to_owned(), line: None, column: None };
        let message = group(&found, "message");
        return Some(Finding::error(if message.is_empty() { line } else { message }, [place]));
    }
    let found = end.captures(line)?;
    let place = Place::new(group(&found, "file"), group(&found, "line"), "");
    let said = lines[..at].iter().rev().take(NEAR).take_while(|line| !line.starts_with("____"));
    let said: Vec<&str> = said.filter_map(|line| line.strip_prefix("E  ")).map(str::trim).collect();
    let message = said.last().copied().unwrap_or_else(|| group(&found, "error"));
    Some(Finding::error(message, [place]))
}

/// Ruff: `F401 [*] message`, below it the arrow to the place.
pub(super) fn ruff(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^(?<message>(?:[A-Z]+\d+|invalid-syntax):? .*)$");
    let arrow = pattern!(r"^\s*--> (?<file>\S.*?):(?<line>\d+):(?<column>\d+)$");
    let found = head.captures(lines[at])?;
    let place = arrow.captures(lines.get(at + 1)?)?;
    let place = Place::new(group(&place, "file"), group(&place, "line"), group(&place, "column"));
    Some(Finding::error(group(&found, "message"), [place]))
}

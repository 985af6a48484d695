//! `ESLint`, Oxlint, Biome, Stylelint.

use super::{Finding, NEAR, Place, group, pattern};

/// `ESLint`'s and Stylelint's default: the file on a line of its own, below it `  12:5  error  message  rule`.
pub(super) fn stylish(lines: &[&str], at: usize) -> Option<Finding> {
    let line =
        pattern!(r"^\s+(?<line>\d+):(?<column>\d+)\s+(?<kind>error|warning|✖|⚠|×)\s+(?<message>.*?)(?:\s{2,}\S+)?$");
    let found = line.captures(lines[at])?;
    let is_file = |line: &&str| !line.starts_with(char::is_whitespace) && !line.is_empty() && !line.contains("  ");
    let file = lines[..at].iter().rev().take(NEAR).take_while(|line| !line.is_empty()).find(|line| is_file(line))?;
    let place = Place::new(file.trim(), group(&found, "line"), group(&found, "column"));
    let message = group(&found, "message");
    Some(match group(&found, "kind") {
        "warning" | "⚠" => Finding::warning(message, [place]),
        _ => Finding::error(message, [place]),
    })
}

/// `ESLint`'s compact form: `file: line 12, col 5, Error - message (rule)`.
pub(super) fn compact(lines: &[&str], at: usize) -> Option<Finding> {
    let line = pattern!(r"^(?<file>\S.*?): line (?<line>\d+), col (?<column>\d+), (?<kind>\w+) - (?<message>.*)$");
    let found = line.captures(lines[at])?;
    let place = Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column"));
    let message = group(&found, "message");
    Some(if group(&found, "kind") == "Warning" {
        Finding::warning(message, [place])
    } else {
        Finding::error(message, [place])
    })
}

/// Oxlint: `  × rule: message`, below it `   ╭─[file:12:5]`; in ASCII `x`, `!` and `,-[`.
pub(super) fn graphical(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^\s*(?<kind>[×x⚠!])\s+(?<message>\S.*)$");
    let frame = pattern!(r"^\s*(?:[╭┌]─|,-)\[(?<file>.+?):(?<line>\d+):(?<column>\d+)\]");
    let found = head.captures(lines[at])?;
    let place = lines.iter().skip(at + 1).take(6).find_map(|line| frame.captures(line))?;
    let place = Place::new(group(&place, "file"), group(&place, "line"), group(&place, "column"));
    let message = group(&found, "message");
    Some(match group(&found, "kind") {
        "⚠" | "!" => Finding::warning(message, [place]),
        _ => Finding::error(message, [place]),
    })
}

/// Biome: `file:12:5 lint/rule ━━━`, below it `  × message`. The formatter names no line.
pub(super) fn biome(lines: &[&str], at: usize) -> Option<Finding> {
    let head = pattern!(r"^(?<file>\S.*?)(?::(?<line>\d+):(?<column>\d+))? (?<rule>[\w/-]+)(?:\s+[A-Z]+)*\s+━{3,}$");
    let body = pattern!(r"^\s*(?<kind>[×✖⚠!i])\s+(?<message>\S.*)$");
    let found = head.captures(lines[at])?;
    let body = lines.iter().skip(at + 1).take(4).find_map(|line| body.captures(line))?;
    let place = Place::new(group(&found, "file"), group(&found, "line"), group(&found, "column"));
    let message = format!("{}: {}", group(&found, "rule"), group(&body, "message"));
    match group(&body, "kind") {
        "i" => None,
        "⚠" | "!" => Some(Finding::warning(message, [place])),
        _ => Some(Finding::error(message, [place])),
    }
}

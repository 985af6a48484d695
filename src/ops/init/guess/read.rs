//! Reading what anybody may have written.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// Most bytes of a file that is looked into.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most folders that a pattern of workspaces may mean.
const MAX_FOLDERS: usize = 50;

/// The JSON document at `path`, if there is one of reasonable size.
pub(in crate::ops::init) fn json(path: &Utf8Path) -> Option<Value> {
    serde_json::from_str(&text(path)?).ok()
}

/// The TOML document at `path`.
pub(super) fn toml(path: &Utf8Path) -> Option<toml::Table> {
    text(path)?.parse().ok()
}

/// The text at `path`, if it is a file of reasonable size.
pub(super) fn text(path: &Utf8Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The first of `candidates` that exists below `folder`.
pub(super) fn first<'c>(folder: &Utf8Path, candidates: &[&'c str]) -> Option<&'c str> {
    candidates.iter().copied().find(|name| folder.join(name).exists())
}

/// Whether a path may stand in a manifest as it is: no sign that a glob, a command or a template would take for more.
pub(super) fn is_plain(path: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@' | '+');
    !path.is_empty()
        && !path.starts_with(['/', '-'])
        && path.chars().all(fine)
        && !path.split('/').any(|part| part == "..")
}

/// The folders below `root` that hold `file` and that `pattern` means: a path whose last part may be `*` or `**`.
pub(super) fn folders(root: &Utf8Path, pattern: &str, file: &str) -> Vec<Utf8PathBuf> {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    let (parent, all) = match pattern.rsplit_once('/') {
        Some((parent, "*" | "**")) => (parent, true),
        None if matches!(pattern, "*" | "**") => (".", true),
        _ => (pattern, false),
    };
    if parent.contains(['*', '!']) || parent.split('/').any(|part| part == "..") || parent.starts_with('/') {
        return Vec::new();
    }
    if !all {
        return [Utf8PathBuf::from(parent)].into_iter().filter(|path| root.join(path).join(file).is_file()).collect();
    }
    let Ok(entries) = root.join(parent).read_dir_utf8() else { return Vec::new() };
    let mut found: Vec<Utf8PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() != "node_modules" && entry.path().join(file).is_file())
        .map(
            |entry| {
                if parent == "." { entry.file_name().into() } else { Utf8Path::new(parent).join(entry.file_name()) }
            },
        )
        .collect();
    found.sort();
    found.truncate(MAX_FOLDERS);
    found
}

//! A manifest for an app that no profile knows, made from what its checkout has.

use camino::Utf8Path;

/// A manifest that was made.
pub(super) struct Draft {
    pub(super) text: String,
    /// What could not be told, each in one sentence.
    pub(super) open: Vec<String>,
}

/// The manifest of the checkout at `root`.
pub(super) fn manifest(_root: &Utf8Path) -> Draft {
    Draft { text: "name = \"app\"\n".to_owned(), open: Vec::new() }
}

/// Most bytes of a file that is looked into.
const MAX_BYTES: u64 = 1024 * 1024;

/// The JSON document at `path`, if there is one of reasonable size.
pub(super) fn json(path: &Utf8Path) -> Option<serde_json::Value> {
    serde_json::from_str(&text(path)?).ok()
}

/// The text at `path`, if there is one of reasonable size.
pub(super) fn text(path: &Utf8Path) -> Option<String> {
    use std::io::Read as _;
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

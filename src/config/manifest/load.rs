//! From two files to one manifest.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    check,
    de::{self, Problem},
    error::{Finding, ManifestError},
    tree::{Kind, Node},
};
use crate::model::manifest::Manifest;

/// The file beside the manifest that is laid over it: one person's own settings, ignored by git.
pub const LOCAL_FILE: &str = "harness.local.toml";

/// Most bytes of a manifest. Lightdash's has 8 KB.
const MAX_BYTES: u64 = 256 * 1024;

/// A manifest that loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The manifest with the local file laid over it. Its texts are checked, not substituted.
    pub manifest: Manifest,
    /// `expose` of the local file: the address or interface on which the agents' web ports are relayed.
    pub expose: Option<String>,
}

/// Loads the manifest at `path` and the local file beside it, if there is one.
///
/// # Errors
/// When a file cannot be read or anything in it is wrong; the error has path, line and column.
pub fn load(path: &Utf8Path) -> Result<Loaded, ManifestError> {
    let mut sources = vec![(path.to_owned(), read(path)?)];
    let local = path.with_file_name(LOCAL_FILE);
    match read(&local) {
        Ok(text) => sources.push((local, text)),
        Err(ManifestError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    parse(&sources)
}

/// Loads a manifest from texts: the manifest's first, then what is laid over it; with each the path it is known by.
///
/// # Errors
/// When anything is wrong.
pub fn parse(sources: &[(Utf8PathBuf, String)]) -> Result<Loaded, ManifestError> {
    parse_tree(sources).map_err(|problem| {
        let (source, span) = problem.origin.map_or((0, 0..0), |origin| (origin.source, origin.span));
        let (path, text) = &sources[source];
        ManifestError::Invalid(Box::new(Finding::new(path.clone(), text, &span, problem.message)))
    })
}

fn parse_tree(sources: &[(Utf8PathBuf, String)]) -> Result<Loaded, Problem> {
    let mut root: Option<Node> = None;
    let mut expose = None;
    for (number, (_, text)) in sources.iter().enumerate() {
        let mut node = Node::parse(number, text)?;
        match &mut root {
            None => root = Some(node),
            Some(root) => {
                expose = take_expose(&mut node)?.or(expose);
                root.overlay(node)?;
            }
        }
    }
    let root = root.ok_or_else(|| Problem { origin: None, message: "no manifest was given".to_owned() })?;
    let manifest = de::read(&root)?;
    let texts: Vec<&str> = sources.iter().map(|(_, text)| text.as_str()).collect();
    check::check(&manifest, &root, &texts)?;
    Ok(Loaded { manifest, expose })
}

/// The only key that the local file has and the manifest has not.
fn take_expose(node: &mut Node) -> Result<Option<String>, Problem> {
    let Kind::Table(table) = &mut node.kind else { return Ok(None) };
    table.shift_remove("expose").map(|(_, value)| de::read(&value)).transpose()
}

fn read(path: &Utf8Path) -> Result<String, ManifestError> {
    let fail = |source| ManifestError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ManifestError::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        ManifestError::NotUtf8 { path: path.to_owned(), line }
    })
}

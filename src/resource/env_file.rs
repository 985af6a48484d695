//! `.env.agent.<id>`: the agent's environment as a file in its workdir, for dotenv and for `sh`.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use crate::{
    error::Diagnose,
    exit_code::ExitCode,
    model::{
        env_value::{Unwritable, quote},
        id::AgentId,
    },
    store::{
        StoreError,
        atomic::{self, Access},
    },
};

/// What stands before and after our lines in the repository's `info/exclude`.
const BEGIN: &str = "# agent-harness: files of agents, and one person's own settings";
const END: &str = "# agent-harness: end";
/// The files of ours that lie in a checkout and must not be committed.
const PATTERNS: [&str; 3] = [".env.agent.*", "/agent-harness/harness.local.toml", "/.agent-harness-fill/"];

/// The environment file could not be written or removed.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// A value cannot be written so that all readers agree.
    #[error("{name} cannot be written to {path}")]
    Value {
        /// The variable.
        name: String,
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: Unwritable,
    },
    /// The file system refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Diagnose for EnvFileError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Value { .. } => ExitCode::Usage,
            Self::Store(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Value { .. } => {
                Some("give it in the `env` of a process, which is not written to the file".to_owned())
            }
            Self::Store(error) => error.hint(),
        }
    }
}

/// Where the file of agent `id` lies.
#[must_use]
pub fn path(workdir: &Utf8Path, id: AgentId) -> Utf8PathBuf {
    workdir.join(id.env_file())
}

/// The text of the file of agent `id`.
///
/// # Errors
/// When a value cannot be written.
pub fn render(workdir: &Utf8Path, id: AgentId, env: &IndexMap<String, String>) -> Result<String, EnvFileError> {
    // No quote may stand in the comment: dotenv would look for its end.
    let mut text = format!("# Environment of agent {id}, written by agent-harness at every launch.\n");
    for (name, value) in env {
        let quoted = quote(value).map_err(|source| EnvFileError::Value {
            name: name.clone(),
            path: path(workdir, id),
            source,
        })?;
        text.extend([name, "=", &quoted, "\n"]);
    }
    Ok(text)
}

/// Writes the file, mode 0600, as a whole or not at all. An equal one is left alone, so watchers see no change.
///
/// # Errors
/// When a value cannot be written, or the file.
pub fn ensure(workdir: &Utf8Path, id: AgentId, env: &IndexMap<String, String>) -> Result<(), EnvFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let text = render(workdir, id, env)?;
    let path = path(workdir, id);
    let private = std::fs::symlink_metadata(&path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600);
    if private && std::fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    Ok(atomic::write(&path, text.as_bytes(), Access::Private)?)
}

/// Removes the file, if it is there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(workdir: &Utf8Path, id: AgentId) -> Result<(), EnvFileError> {
    let path = path(workdir, id);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Remove { path, source }.into()),
        _ => Ok(()),
    }
}

/// Has git ignore our files in all checkouts of the repository whose common directory is `common_dir`: one block in its
/// `info/exclude`, which is never committed. Added once.
///
/// # Errors
/// When the file cannot be read or written.
pub fn ensure_excluded(common_dir: &Utf8Path) -> Result<(), EnvFileError> {
    let path = common_dir.join("info/exclude");
    let old = read_exclude(&path)?;
    let new = with_block(&old);
    if new == old {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        let fail = |source| StoreError::Write { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(fail)?;
    }
    Ok(atomic::write(&path, new.as_bytes(), Access::Shared)?)
}

/// Takes the block out of `info/exclude` again.
///
/// # Errors
/// When the file cannot be read or written.
pub fn remove_excluded(common_dir: &Utf8Path) -> Result<(), EnvFileError> {
    let path = common_dir.join("info/exclude");
    let old = read_exclude(&path)?;
    let new = without_block(&old);
    if new == old {
        return Ok(());
    }
    Ok(atomic::write(&path, new.as_bytes(), Access::Shared)?)
}

fn read_exclude(path: &Utf8Path) -> Result<String, StoreError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(StoreError::Read { path: path.to_owned(), source }),
    }
}

fn block() -> String {
    let mut block = format!("{BEGIN}\n");
    for pattern in PATTERNS {
        block.push_str(pattern);
        block.push('\n');
    }
    block + END + "\n"
}

fn with_block(text: &str) -> String {
    if text.contains(&block()) {
        return text.to_owned();
    }
    let mut text = without_block(text);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text + &block()
}

/// `text` without the lines from [`BEGIN`] to [`END`]; a block whose end is missing is only its first line.
fn without_block(text: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is = |line: &&str, what: &str| line.trim_end() == what;
    let Some(begin) = lines.iter().position(|line| is(line, BEGIN)) else { return text.to_owned() };
    let end = lines[begin..].iter().position(|line| is(line, END)).map_or(begin, |length| begin + length);
    lines[..begin].iter().chain(&lines[end + 1..]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_added_once_and_taken_out_without_a_trace() {
        for old in ["", "*.swp\n", "*.swp", "# a\n\nb\n"] {
            let with = with_block(old);
            assert_eq!(with_block(&with), with);
            assert_eq!(without_block(&with).trim_end(), old.trim_end());
        }
        let outdated = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(with_block(&outdated), format!("a\nb\n{}", block()));
        assert_eq!(without_block(&format!("a\n{BEGIN}\nb\n")), "a\nb\n");
    }

    #[test]
    fn the_file_is_private_and_left_alone_when_equal() {
        use std::os::unix::fs::MetadataExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let workdir = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let id = AgentId::new(1).expect("an id");
        let env = IndexMap::from([("A".to_owned(), "1".to_owned())]);
        let inode = || std::fs::metadata(path(workdir, id)).expect("the file").ino();
        ensure(workdir, id, &env).expect("a written file");
        let first = inode();
        assert_eq!(std::fs::metadata(path(workdir, id)).expect("the file").mode() & 0o777, 0o600);
        ensure(workdir, id, &env).expect("an equal file");
        assert_eq!(inode(), first);
        ensure(workdir, id, &IndexMap::new()).expect("another file");
        assert_ne!(inode(), first);
        remove(workdir, id).expect("a removed file");
        remove(workdir, id).expect("nothing to remove");
        assert!(!path(workdir, id).exists());
    }
}

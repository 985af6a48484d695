//! Makes the example a git repository with one commit, and brings it to a newer version of the binary.
//!
//! What a person did there (an edit, a file of their own, a commit) is never touched: the tree is then kept as it is.
//! Nobody else may unpack to the same place at the same time; the caller holds a lock.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    ExampleError,
    files::{self, FILES},
};
use crate::{
    process::cmd::{self, Cmd, CmdError, Output},
    store::atomic::{self, Access},
};

/// In the repository's `.git`: what was unpacked.
const NOTE: &str = "agent-harness-example.json";

/// What lies where the example belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// The example of this version of the binary, as it was unpacked.
    Current,
    /// The example of another version, as it was unpacked.
    Older,
    /// The example with work of a person in it.
    Edited(Edits),
    /// Something else.
    Foreign,
}

/// What a person did to the unpacked example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Files that were changed, added or removed since the last commit, git's ignored ones aside.
    pub files: Vec<Utf8PathBuf>,
    /// The commit that is checked out is not the one that was unpacked.
    pub commits: bool,
}

/// What unpacking did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// It was not there before.
    Created,
    /// It was there, and this very version.
    Unchanged,
    /// It was there in another version and as unpacked: one commit brought it to this version.
    Updated,
    /// A person has worked in it: nothing was touched.
    Kept(Edits),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    fingerprint: String,
    commit: String,
}

/// Unpacks the example to `dest`, whose parent exists. `path` is a `PATH` in which git is found.
///
/// # Errors
/// When there is no git, something else lies at `dest`, or a file cannot be written.
pub async fn unpack(dest: &Utf8Path, path: &str) -> Result<Unpacked, ExampleError> {
    let git = Git::find(path)?;
    match look(dest, &git).await? {
        Found::Foreign => Err(ExampleError::Foreign { path: dest.to_owned() }),
        Found::Edited(edits) => Ok(Unpacked::Kept(edits)),
        Found::Current => Ok(Unpacked::Unchanged),
        Found::Absent => {
            create(dest, &git).await?;
            Ok(Unpacked::Created)
        }
        Found::Older => {
            update(dest, &git).await?;
            Ok(Unpacked::Updated)
        }
    }
}

/// Says what lies at `dest`, and changes nothing. `path` is a `PATH` in which git is found.
///
/// # Errors
/// When there is no git, or the place cannot be read.
pub async fn inspect(dest: &Utf8Path, path: &str) -> Result<Found, ExampleError> {
    look(dest, &Git::find(path)?).await
}

async fn look(dest: &Utf8Path, git: &Git) -> Result<Found, ExampleError> {
    let at = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| ExampleError::Io { path, source }
    };
    match dest.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(at(dest)(error)),
        Ok(kind) if !kind.is_dir() => return Ok(Found::Foreign),
        Ok(_) => {}
    }
    if dest.read_dir_utf8().map_err(at(dest))?.next().is_none() {
        return Ok(Found::Absent);
    }
    let note = dest.join(".git").join(NOTE);
    let note: Note = match fs_err::read(&note) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(note) => note,
            Err(_) => return Ok(Found::Foreign),
        },
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Found::Foreign);
        }
        Err(error) => return Err(at(&note)(error)),
    };
    let status = git.run(dest, &["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"]).await?;
    // Each entry: two letters, a space, the path.
    let files =
        status.stdout.split_terminator('\0').filter_map(|entry| entry.get(3..)).map(Utf8PathBuf::from).collect();
    let edits = Edits { files, commits: git.head(dest).await? != note.commit };
    Ok(if edits != Edits::default() {
        Found::Edited(edits)
    } else if note.fingerprint == files::fingerprint() {
        Found::Current
    } else {
        Found::Older
    })
}

/// Everything is made beside `dest` and moved there as a whole.
async fn create(dest: &Utf8Path, git: &Git) -> Result<(), ExampleError> {
    let half = Utf8PathBuf::from(format!("{dest}.new"));
    let fail = |source| ExampleError::Io { path: half.clone(), source };
    match fs_err::remove_dir_all(&half) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail(error)),
    }
    fs_err::create_dir(&half).map_err(fail)?;
    git.run(&half, &["init", "--quiet", "--template=", "--initial-branch=main"]).await?;
    git.run(&half, &["config", "user.name", "Agent Harness"]).await?;
    git.run(&half, &["config", "user.email", "agent-harness@localhost"]).await?;
    write_files(&half)?;
    commit(&half, git, "The example of Agent Harness").await?;
    fs_err::rename(&half, dest).map_err(fail)
}

async fn update(dest: &Utf8Path, git: &Git) -> Result<(), ExampleError> {
    let tracked = git.run(dest, &["ls-files", "-z"]).await?;
    for path in tracked.stdout.split_terminator('\0') {
        if !FILES.iter().any(|file| file.path == path) {
            let path = dest.join(path);
            fs_err::remove_file(&path).map_err(|source| ExampleError::Io { path, source })?;
        }
    }
    write_files(dest)?;
    commit(dest, git, "The example of another version of Agent Harness").await
}

/// Only files that differ are written, so that nothing that watches them wakes up.
fn write_files(root: &Utf8Path) -> Result<(), ExampleError> {
    for file in FILES {
        let path = root.join(file.path);
        if fs_err::read(&path).is_ok_and(|content| content == file.content) {
            continue;
        }
        let write = || -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::File::create(&path)?.write_all(file.content)
        };
        write().map_err(|source| ExampleError::Io { path: path.clone(), source })?;
    }
    Ok(())
}

async fn commit(root: &Utf8Path, git: &Git, message: &str) -> Result<(), ExampleError> {
    git.run(root, &["add", "--all"]).await?;
    git.run(root, &["commit", "--quiet", "--allow-empty", "--message", message]).await?;
    let note = Note { fingerprint: files::fingerprint(), commit: git.head(root).await? };
    let note = serde_json::to_vec(&note).expect("two texts are JSON");
    atomic::write(&root.join(".git").join(NOTE), &note, Access::Shared).map_err(ExampleError::Note)
}

/// git, deaf to the settings of the user and the machine.
struct Git(Utf8PathBuf);

impl Git {
    fn find(path: &str) -> Result<Self, ExampleError> {
        cmd::find("git", path).map(Self).ok_or(ExampleError::NoGit)
    }

    async fn run(&self, root: &Utf8Path, args: &[&str]) -> Result<Output, ExampleError> {
        let run = Cmd::new(&self.0)
            .args(args)
            .cwd(root)
            .envs([("LC_ALL", "C"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
            .output();
        run.await.map_err(|source: CmdError| ExampleError::Git { path: root.to_owned(), source })
    }

    async fn head(&self, root: &Utf8Path) -> Result<String, ExampleError> {
        Ok(self.run(root, &["rev-parse", "HEAD"]).await?.stdout.trim().to_owned())
    }
}

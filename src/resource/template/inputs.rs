//! The files that a step depends on.

use std::{collections::BTreeMap, io::Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use ignore::{WalkBuilder, overrides::OverrideBuilder};
use sha2::{Digest as _, Sha256};

use crate::{error::Diagnose, exit_code::ExitCode, model::layer::Input};

/// The inputs of a step could not be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A glob is none.
    #[error("{glob:?} is no glob")]
    Glob {
        /// The text.
        glob: String,
        /// Why.
        source: ignore::Error,
    },
    /// A glob has nothing to say: a step would never be built again.
    #[error("{glob:?} matches no file in {workdir}")]
    NoMatch {
        /// The glob.
        glob: String,
        /// Where was looked.
        workdir: Utf8PathBuf,
    },
    /// The tree could not be walked.
    #[error("cannot look through {workdir}")]
    Walk {
        /// The tree.
        workdir: Utf8PathBuf,
        /// Why.
        source: ignore::Error,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file has a name that is no text.
    #[error("the file name {name:?} is not UTF-8")]
    Name {
        /// The name, as far as it can be shown.
        name: String,
    },
}

impl Diagnose for InputError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Glob { .. } | Self::NoMatch { .. } => ExitCode::Usage,
            Self::Walk { .. } | Self::Read { .. } | Self::Name { .. } => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Glob { .. } | Self::NoMatch { .. } => Some("correct `inputs` in harness.toml".to_owned()),
            Self::Walk { .. } | Self::Read { .. } | Self::Name { .. } => None,
        }
    }
}

/// The files below `workdir` that match one of `globs`, sorted by path, with the hash of their content. A symlink is
/// not followed: its target's name is its content. What git's ignore files name does not count, unless it is named here
/// too: a file without wildcards, a folder before the first wildcard (a repository may well hold files that it ignores).
///
/// # Errors
/// When a glob is none or matches nothing, or a file cannot be read.
pub fn list_inputs(workdir: &Utf8Path, globs: &[String]) -> Result<Vec<Input>, InputError> {
    let mut found = BTreeMap::new();
    for glob in globs {
        let glob = glob.trim_start_matches("./").trim_matches('/');
        let mut pattern = glob.to_owned();
        let named = workdir.join(glob);
        match named.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => pattern.push_str("/**"),
            Ok(_) => {
                found.insert(glob.to_owned(), hash(&named)?);
                continue;
            }
            // Not the name of a file: a glob.
            Err(_) => {}
        }
        let mut matched = 0;
        for path in walk(workdir, &pattern)? {
            matched += 1;
            let relative = path.strip_prefix(workdir).unwrap_or(&path).to_string();
            if let std::collections::btree_map::Entry::Vacant(entry) = found.entry(relative) {
                entry.insert(hash(&path)?);
            }
        }
        if matched == 0 {
            return Err(InputError::NoMatch { glob: glob.to_owned(), workdir: workdir.to_owned() });
        }
    }
    Ok(found.into_iter().map(|(path, hash)| Input { path, hash }).collect())
}

/// The leading folders of a glob that have no wildcard: everything that it can match lies there.
fn literal_prefix(glob: &str) -> &str {
    let wildcard = glob.find(['*', '?', '[', '{', '!']).unwrap_or(glob.len());
    glob[..wildcard].rfind('/').map_or("", |slash| &glob[..slash])
}

fn walk(workdir: &Utf8Path, glob: &str) -> Result<Vec<Utf8PathBuf>, InputError> {
    let fail = |source| InputError::Glob { glob: glob.to_owned(), source };
    // A leading slash ties the glob to the workdir, as everywhere in the manifest.
    let overrides = OverrideBuilder::new(workdir).add(&format!("/{glob}")).map_err(fail)?.build().map_err(fail)?;
    let root = workdir.join(literal_prefix(glob));
    if root.symlink_metadata().is_err() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    // Overrides given to the walk would beat the ignore files, so they are asked afterwards. The ignore files above the
    // root count for what is below it, and not for the root itself, which was named.
    let walker = WalkBuilder::new(root).hidden(false).require_git(false).follow_links(false).build();
    for entry in walker {
        let entry = entry.map_err(|source| InputError::Walk { workdir: workdir.to_owned(), source })?;
        let path = Utf8PathBuf::from_path_buf(entry.into_path())
            .map_err(|path| InputError::Name { name: path.to_string_lossy().into_owned() })?;
        let metadata = path.symlink_metadata().map_err(|source| InputError::Read { path: path.clone(), source })?;
        if metadata.is_dir() || path.components().any(|part| part.as_str() == ".git") {
            continue;
        }
        if overrides.matched(&path, false).is_whitelist() {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn hash(path: &Utf8Path) -> Result<String, InputError> {
    let fail = |source| InputError::Read { path: path.to_owned(), source };
    let mut digest = Sha256::new();
    if path.symlink_metadata().map_err(fail)?.is_symlink() {
        digest.update(b"link\0");
        digest.update(path.read_link_utf8().map_err(fail)?.as_str());
    } else {
        let mut file = fs_err::File::open(path).map_err(fail)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut buffer).map_err(fail)?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
        }
    }
    Ok(hex::encode(digest.finalize())[..32].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("a UTF-8 TMPDIR");
        for (path, text) in [
            ("db/migrations/001.ts", "one"),
            ("db/migrations/sub/002.ts", "two"),
            ("db/seed.sql", "seed"),
            ("built/out.js", "ignored"),
            ("deep/app.js", "app"),
            ("deep/built/x.js", "ignored"),
            ("deep/built/x.log", "ignored"),
            (".gitignore", "built/\n*.log\n"),
        ] {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs_err::write(path, text).expect("a file");
        }
        (directory, root)
    }

    fn paths(root: &Utf8Path, globs: &[&str]) -> Vec<String> {
        let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        list_inputs(root, &globs).expect("inputs").into_iter().map(|input| input.path).collect()
    }

    #[test]
    fn globs_are_relative_to_the_workdir() {
        let (_directory, root) = tree();
        assert_eq!(paths(&root, &["db/migrations/**"]), ["db/migrations/001.ts", "db/migrations/sub/002.ts"]);
        assert_eq!(paths(&root, &["db/migrations/*.ts"]), ["db/migrations/001.ts"]);
        assert_eq!(paths(&root, &["**/*.sql", "db/seed.sql"]), ["db/seed.sql"]);
        assert_eq!(paths(&root, &["db"]).len(), 3);
        assert_eq!(paths(&root, &["built/out.js"]), ["built/out.js"]);
        assert_eq!(paths(&root, &["built/*.js"]), ["built/out.js"]);
        assert_eq!(paths(&root, &["built"]), ["built/out.js"]);
        assert_eq!(
            paths(&root, &["**/*.js", "db/seed.sql", "deep/built/**"]),
            ["db/seed.sql", "deep/app.js", "deep/built/x.js"]
        );
    }

    #[test]
    fn a_glob_without_a_file_is_an_error() {
        let (_directory, root) = tree();
        for glob in ["db/migration/**", "*.ts", "built/*.log", "none.sql"] {
            let result = list_inputs(&root, &[glob.to_owned()]);
            assert!(matches!(result, Err(InputError::NoMatch { .. })), "{glob}: {result:?}");
        }
    }

    #[test]
    fn the_hash_is_of_the_content_only() {
        let (_directory, root) = tree();
        let globs = ["db/**".to_owned()];
        let before = list_inputs(&root, &globs).expect("inputs");
        fs_err::write(root.join("db/seed.sql"), "seed").expect("the same again");
        assert_eq!(list_inputs(&root, &globs).expect("inputs"), before);
        fs_err::write(root.join("db/seed.sql"), "seed!").expect("a change");
        assert_ne!(list_inputs(&root, &globs).expect("inputs"), before);
    }

    #[test]
    fn symlinks_are_not_followed() {
        let (_directory, root) = tree();
        std::os::unix::fs::symlink("/", root.join("db/everything")).expect("a symlink");
        assert_eq!(paths(&root, &["db/**"]).len(), 4);
    }
}

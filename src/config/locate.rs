//! Finds the project of a folder: the git common directory, the main checkout, the manifest.
//!
//! git's own files are read instead of running git (which costs some milliseconds on every command): `.git` is a folder
//! in a main checkout and in a worktree a file that names its private folder, whose `commondir` names the repository.

use camino::{Utf8Path, Utf8PathBuf};

use super::ConfigError;

/// Where the manifest lies in a checkout.
pub const MANIFEST: &str = "agent-harness/harness.toml";

/// The project that a folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The repository's own folder, `.git` of the main checkout: what makes the project.
    pub common_dir: Utf8PathBuf,
    /// The main checkout.
    pub root: Utf8PathBuf,
    /// The top of the checkout or worktree that the folder is in.
    pub workdir: Utf8PathBuf,
}

/// Finds the project of `directory`, an absolute path.
///
/// # Errors
/// When it is in no repository, or the repository has no checkout.
pub fn project(directory: &Utf8Path) -> Result<Project, ConfigError> {
    let directory =
        directory.canonicalize_utf8().map_err(|source| ConfigError::Git { path: directory.to_owned(), source })?;
    for workdir in directory.ancestors() {
        let dot_git = workdir.join(".git");
        let Ok(metadata) = std::fs::metadata(&dot_git) else { continue };
        let git_dir = if metadata.is_dir() { dot_git } else { pointed_to(&dot_git, "gitdir: ")? };
        // An empty folder called .git does not make a repository, for git neither.
        if !git_dir.join("HEAD").exists() {
            continue;
        }
        return of_checkout(workdir, &git_dir);
    }
    if directory.join("HEAD").is_file() && directory.join("objects").is_dir() {
        return Err(ConfigError::Bare { repository: directory });
    }
    Err(ConfigError::NoRepository { directory })
}

fn of_checkout(workdir: &Utf8Path, git_dir: &Utf8Path) -> Result<Project, ConfigError> {
    let link = git_dir.join("commondir");
    let common_dir = if link.exists() { pointed_to(&link, "")? } else { git_dir.to_owned() };
    let common_dir =
        common_dir.canonicalize_utf8().map_err(|source| ConfigError::Git { path: common_dir.clone(), source })?;
    let is_worktree = link.exists();
    let root = if is_worktree {
        match common_dir.parent() {
            Some(root) if common_dir.file_name() == Some(".git") => root.to_owned(),
            // A bare repository with worktrees, or a submodule's: the worktree at hand is the only checkout known.
            _ => return Err(ConfigError::Bare { repository: common_dir }),
        }
    } else {
        workdir.to_owned()
    };
    Ok(Project { common_dir, root, workdir: workdir.to_owned() })
}

/// The path written in `file` after `prefix`, absolute.
fn pointed_to(file: &Utf8Path, prefix: &str) -> Result<Utf8PathBuf, ConfigError> {
    let fail = |source| ConfigError::Git { path: file.to_owned(), source };
    let text = std::fs::read_to_string(file).map_err(fail)?;
    let path =
        text.strip_prefix(prefix).map(|rest| rest.trim_end_matches(['\n', '\r'])).filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| fail(std::io::Error::other("it does not name a folder")))?;
    Ok(file.parent().unwrap_or(Utf8Path::new("/")).join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree {
        root: Utf8PathBuf,
        _directory: tempfile::TempDir,
    }

    impl Tree {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let root = Utf8Path::from_path(directory.path()).expect("UTF-8").canonicalize_utf8().expect("a path");
            Self { root, _directory: directory }
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.root.join(path);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs_err::File::create(&path)
                .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
                .expect("a file");
        }

        fn find(&self, path: &str) -> Result<(String, String), String> {
            let below = |path: &Utf8Path| path.strip_prefix(&self.root).expect("below").to_string();
            match project(&self.root.join(path)) {
                Ok(project) => {
                    assert_eq!(project.common_dir, project.root.join(".git"));
                    Ok((below(&project.root), below(&project.workdir)))
                }
                Err(error) => Err(error.to_string().replace(self.root.as_str(), "")),
            }
        }
    }

    fn repository() -> Tree {
        let tree = Tree::new();
        tree.file("app ä/.git/HEAD", "ref: refs/heads/main\n");
        tree.file("app ä/packages/api/x", "");
        tree.file("app ä/empty/.git/x", "");
        // As `git worktree add` writes it, with absolute and with relative paths.
        tree.file("w/one/.git", &format!("gitdir: {}/app ä/.git/worktrees/one\n", tree.root));
        tree.file("w/two/.git", "gitdir: ../../app ä/.git/worktrees/two\n");
        for name in ["one", "two"] {
            tree.file(&format!("app ä/.git/worktrees/{name}/HEAD"), "ref: refs/heads/x\n");
            tree.file(&format!("app ä/.git/worktrees/{name}/commondir"), "../..\n");
            tree.file(&format!("w/{name}/sub/x"), "");
        }
        tree.file("bare.git/HEAD", "");
        tree.file("bare.git/objects/x", "");
        tree.file("bare.git/worktrees/b/HEAD", "");
        tree.file("bare.git/worktrees/b/commondir", "../..\n");
        tree.file("w/b/.git", "gitdir: ../../bare.git/worktrees/b\n");
        tree.file("w/broken/.git", "nonsense");
        tree
    }

    #[test]
    fn a_folder_belongs_to_its_repository() {
        let tree = repository();
        let found = |root: &str, workdir: &str| Ok((root.to_owned(), workdir.to_owned()));
        for (path, expected) in [
            ("app ä", found("app ä", "app ä")),
            ("app ä/packages/api", found("app ä", "app ä")),
            ("app ä/empty", found("app ä", "app ä")),
            ("w/one", found("app ä", "w/one")),
            ("w/one/sub", found("app ä", "w/one")),
            ("w/two/sub", found("app ä", "w/two")),
            ("bare.git", Err("the git repository /bare.git is bare: it has no checkout to run an app in".to_owned())),
            ("w/b", Err("the git repository /bare.git is bare: it has no checkout to run an app in".to_owned())),
            ("w/broken", Err("cannot read /w/broken/.git, which git keeps about this folder".to_owned())),
            ("w", Err("/w is in no git repository".to_owned())),
        ] {
            assert_eq!(tree.find(path), expected, "{path}");
        }
    }
}

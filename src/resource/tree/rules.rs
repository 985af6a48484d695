//! Which files are brought to a worktree, and how.

use std::path::Path;

use camino::Utf8Path;
use ignore::overrides::{Override, OverrideBuilder};

use super::TreeError;
use crate::model::manifest::Worktree;

/// How a file is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Reflink, else hard link, else copy: nobody writes into such a file.
    Clone,
    /// Reflink, else copy.
    Copy,
    /// Copied, with the path of the old tree in its text replaced by that of the new one.
    Rewrite,
}

/// What the package managers of Node keep in `node_modules` and never write into: everything that has a dot at its
/// beginning there is otherwise their own or a tool's memory, which is written in place.
const NEVER_WRITTEN: [&str; 2] = [".pnpm", ".store"];

/// `clone`, `copy`, `rewrite` and `skip` of `[worktree]`.
#[derive(Clone, Debug)]
pub struct Rules {
    clone: Override,
    copy: Override,
    rewrite: Override,
    skip: Override,
}

impl Rules {
    /// The rules of a manifest for trees below `root`.
    ///
    /// # Errors
    /// When a glob is none.
    pub fn new(root: &Utf8Path, worktree: &Worktree) -> Result<Self, TreeError> {
        Ok(Self {
            clone: globs(root, &worktree.clone)?,
            copy: globs(root, &worktree.copy)?,
            rewrite: globs(root, &worktree.rewrite)?,
            skip: globs(root, &worktree.skip)?,
        })
    }

    /// How the file or folder `path` (absolute, below the root) is brought, when it is named by a rule of its own.
    pub(super) fn named(&self, path: &Path, is_dir: bool) -> Option<How> {
        let says = |globs: &Override| globs.matched(path, is_dir).is_whitelist();
        if says(&self.rewrite) && !is_dir {
            Some(How::Rewrite)
        } else if says(&self.copy) {
            Some(How::Copy)
        } else if says(&self.clone) {
            Some(How::Clone)
        } else {
            None
        }
    }

    /// Whether `path` is left out.
    pub(super) fn is_skipped(&self, path: &Path, is_dir: bool) -> bool {
        self.skip.matched(path, is_dir).is_whitelist()
    }

    /// How `path` is brought as part of a tree that is brought as `outer`; `None` when it is left out.
    pub(super) fn inside(&self, path: &Path, is_dir: bool, outer: How) -> Option<How> {
        if self.is_skipped(path, is_dir) {
            return None;
        }
        match self.named(path, is_dir) {
            Some(how @ (How::Copy | How::Rewrite)) => Some(how),
            // A copied folder stays copied, whatever lies in it.
            Some(How::Clone) | None if outer == How::Copy || is_memory(path) => Some(How::Copy),
            Some(How::Clone) | None => Some(outer),
        }
    }
}

/// Whether this is what a package manager or tool keeps for itself.
fn is_memory(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parent = path.parent().and_then(Path::file_name);
    name.starts_with('.') && parent.is_some_and(|parent| parent == "node_modules") && !NEVER_WRITTEN.contains(&name)
}

fn globs(root: &Utf8Path, globs: &[String]) -> Result<Override, TreeError> {
    let mut builder = OverrideBuilder::new(root);
    let fail = |glob: &String| {
        let glob = glob.clone();
        move |source| TreeError::Glob { glob, source }
    };
    for glob in globs {
        // Tied to the root, as everywhere in the manifest.
        let tied = format!("/{}", glob.trim_start_matches("./").trim_matches('/'));
        builder.add(&tied).map_err(fail(glob))?;
    }
    builder.build().map_err(|source| TreeError::Glob { glob: globs.join(", "), source })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rules() -> Rules {
        let list = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        let worktree = Worktree {
            clone: list(&["**/node_modules"]),
            copy: list(&[".env.development", "packages/*/dist", "**/node_modules/patched"]),
            rewrite: list(&["**/node_modules/.bin/*"]),
            skip: list(&["**/node_modules/.cache"]),
            ..Worktree::default()
        };
        Rules::new("/app".into(), &worktree).expect("globs")
    }

    #[rstest]
    #[case("node_modules", true, Some(How::Clone))]
    #[case("packages/a/node_modules", true, Some(How::Clone))]
    #[case("packages/a/dist", true, Some(How::Copy))]
    #[case(".env.development", false, Some(How::Copy))]
    #[case("packages/.env.development", false, None)]
    #[case("packages/a/b/dist", true, None)]
    fn a_rule_names_what_is_brought(#[case] path: &str, #[case] is_dir: bool, #[case] expected: Option<How>) {
        assert_eq!(rules().named(&Path::new("/app").join(path), is_dir), expected);
    }

    #[rstest]
    #[case("node_modules/left-pad", true, How::Clone, Some(How::Clone))]
    #[case("node_modules/.pnpm", true, How::Clone, Some(How::Clone))]
    #[case("node_modules/.vite", true, How::Clone, Some(How::Copy))]
    #[case("node_modules/.package-lock.json", false, How::Clone, Some(How::Copy))]
    #[case("node_modules/.bin/tsc", false, How::Clone, Some(How::Rewrite))]
    #[case("node_modules/.cache", true, How::Clone, None)]
    #[case("node_modules/patched", true, How::Clone, Some(How::Copy))]
    #[case("node_modules/x/.hidden", false, How::Clone, Some(How::Clone))]
    #[case("packages/a/dist/x/node_modules", true, How::Copy, Some(How::Copy))]
    fn what_is_written_in_place_is_copied(
        #[case] path: &str,
        #[case] is_dir: bool,
        #[case] outer: How,
        #[case] expected: Option<How>,
    ) {
        assert_eq!(rules().inside(&Path::new("/app").join(path), is_dir, outer), expected);
    }
}

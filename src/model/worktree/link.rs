//! Symlinks of a tree that is copied elsewhere: none may lead back.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// The tree that is copied from, and the one it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Trees<'a> {
    /// Absolute, without `..` and symlinks.
    pub from: &'a Utf8Path,
    /// Absolute, without `..` and symlinks.
    pub to: &'a Utf8Path,
}

/// What the symlink at `link` (a path below `trees.from`) says in the copy. One that stays inside says what it said;
/// one that names the old tree names the new one; one that leads outside leads to the same place as before.
#[must_use]
pub fn moved(trees: Trees<'_>, link: &Utf8Path, target: &Utf8Path) -> Utf8PathBuf {
    let folder = link.parent().unwrap_or(trees.from);
    let (resolved, left) = walk(trees.from, folder, target);
    match resolved.strip_prefix(trees.from) {
        Ok(_) if target.is_relative() && !left => target.to_owned(),
        Ok(below) if below.as_str().is_empty() => trees.to.to_owned(),
        Ok(below) => trees.to.join(below),
        Err(_) if target.is_relative() => resolved,
        Err(_) => target.to_owned(),
    }
}

/// Where `target` leads from `folder`, and whether it leaves `root` on its way.
fn walk(root: &Utf8Path, folder: &Utf8Path, target: &Utf8Path) -> (Utf8PathBuf, bool) {
    let mut at = if target.is_absolute() { Utf8PathBuf::from("/") } else { folder.to_owned() };
    let mut left = false;
    for component in target.components() {
        match component {
            Utf8Component::ParentDir => drop(at.pop()),
            Utf8Component::Normal(name) => at.push(name),
            Utf8Component::CurDir | Utf8Component::RootDir | Utf8Component::Prefix(_) => {}
        }
        left |= !at.starts_with(root);
    }
    (at, left)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    // pnpm's forest: relative, inside.
    #[case("/p/app/node_modules/x", ".pnpm/x@1/node_modules/x", ".pnpm/x@1/node_modules/x")]
    #[case("/p/app/a/node_modules/common", "../../packages/common", "../../packages/common")]
    // Absolute into the old tree.
    #[case("/p/app/a/x", "/p/app/packages/common", "/w/agent-3/packages/common")]
    #[case("/p/app/a/x", "/p/app", "/w/agent-3")]
    #[case("/p/app/a/x", "/p/app/b/../c", "/w/agent-3/c")]
    // Out and in again.
    #[case("/p/app/a/x", "../../app/b", "/w/agent-3/b")]
    // Outside: the same place.
    #[case("/p/app/a/x", "/opt/tool", "/opt/tool")]
    #[case("/p/app/a/x", "../../other/y", "/p/other/y")]
    #[case("/p/app/a/x", "/p/app2/y", "/p/app2/y")]
    #[case("/p/app/a/x", "../../../../../..", "/")]
    fn no_symlink_leads_back(#[case] link: &str, #[case] target: &str, #[case] expected: &str) {
        let trees = Trees { from: "/p/app".into(), to: "/w/agent-3".into() };
        assert_eq!(moved(trees, link.into(), target.into()), expected);
    }
}

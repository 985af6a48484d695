//! Which files are watched.

use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use ignore::{
    DirEntry, WalkBuilder,
    overrides::{Override, OverrideBuilder},
};

use super::WatchError;
use crate::model::stack::Watch;

/// What to walk and what to leave out.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    roots: Vec<Utf8PathBuf>,
    cwd: Utf8PathBuf,
    overrides: Override,
}

/// The watched files and folders, one by one; what cannot be read is left out.
pub(super) struct Walk(Option<ignore::Walk>);

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Walk")
    }
}

impl Iterator for Walk {
    type Item = DirEntry;

    fn next(&mut self) -> Option<DirEntry> {
        self.0.as_mut()?.find_map(Result::ok)
    }
}

impl Rules {
    pub(super) fn new(watch: &Watch, cwd: &Utf8Path) -> Result<Self, WatchError> {
        let mut overrides = OverrideBuilder::new(cwd);
        for glob in &watch.ignore {
            let failed = |source| WatchError::Glob { glob: glob.clone(), source };
            // All below a folder is left out by leaving out the folder, which then needs no watches.
            let pattern = glob.strip_suffix("/**").unwrap_or(glob);
            // An override is a pattern of what to take; with `!` of what to leave out.
            overrides.add(&format!("!{pattern}")).map_err(failed)?;
        }
        let overrides =
            overrides.build().map_err(|source| WatchError::Glob { glob: watch.ignore.join(" "), source })?;
        Ok(Self { roots: watch.paths.clone(), cwd: cwd.to_owned(), overrides })
    }

    pub(super) fn roots(&self) -> &[Utf8PathBuf] {
        &self.roots
    }

    pub(super) fn walk(&self) -> Walk {
        // The walker would follow a root that is a symlink.
        let mut roots = self.roots.iter().filter(|root| !root.is_symlink());
        let Some(first) = roots.next() else { return Walk(None) };
        let mut builder = WalkBuilder::new(first);
        for root in roots {
            builder.add(root);
        }
        builder
            .hidden(false)
            .ignore(false)
            .follow_links(false)
            .current_dir(self.cwd.as_std_path())
            .overrides(self.overrides.clone())
            .filter_entry(|entry| !is_noise(entry.path(), entry.file_type().is_some_and(|kind| kind.is_dir())));
        Walk(Some(builder.build()))
    }
}

/// Whether a name is git's own, or an editor's for its swap, lock and backup files.
pub(super) fn is_noise(path: &Path, is_dir: bool) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    if name == ".git" || is_dir {
        return name == ".git";
    }
    let vim = name.starts_with('.')
        && name.rsplit_once('.').is_some_and(|(_, end)| end.len() == 3 && end.starts_with("sw"))
        || name == "4913";
    let emacs = name.starts_with(".#") || name.starts_with('#') && name.ends_with('#');
    let jetbrains = name.ends_with("___jb_tmp___") || name.ends_with("___jb_old___");
    vim || emacs || jetbrains || name.ends_with('~') || name.starts_with(".goutputstream-") || name == ".DS_Store"
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(".index.ts.swp", true)]
    #[case(".index.ts.swx", true)]
    #[case("4913", true)]
    #[case("index.ts~", true)]
    #[case(".#index.ts", true)]
    #[case("#index.ts#", true)]
    #[case(".git", true)]
    #[case("index.ts", false)]
    #[case(".env", false)]
    #[case(".gitignore", false)]
    #[case("a.swp", false)]
    #[case("#readme", false)]
    fn editors_and_git_make_noise(#[case] name: &str, #[case] noise: bool) {
        assert_eq!(is_noise(Path::new(name), false), noise);
    }
}

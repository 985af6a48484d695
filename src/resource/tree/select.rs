//! Finds what the rules name among what git ignores.

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    TreeError,
    rules::{How, Rules},
    stop::on_thread,
};

/// A file or folder that is brought as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Relative to the root of both trees.
    pub path: Utf8PathBuf,
    pub(super) how: How,
    pub(super) is_dir: bool,
}

impl Item {
    /// A path that git ignores if it ignores the item, whether it is there or not: a folder is told by what is in it.
    #[must_use]
    pub fn path_for_git(&self) -> String {
        if self.is_dir { self.path.join("x").into_string() } else { self.path.to_string() }
    }
}

/// The items that `rules` name among `ignored`, the paths below `root` that git ignores as it lists them (a folder that
/// stands for all in it ends with `/`), as far as the tree `to` has a folder for them. Other checkouts that lie there are never looked into.
///
/// # Errors
/// When a folder cannot be read.
pub async fn select(root: &Utf8Path, to: &Utf8Path, rules: &Rules, ignored: &[String]) -> Result<Vec<Item>, TreeError> {
    let (root, to, rules, ignored) = (root.to_owned(), to.to_owned(), rules.clone(), ignored.to_vec());
    on_thread(move |stop| {
        let mut items = Vec::new();
        let mut open: Vec<(Utf8PathBuf, bool)> = ignored
            .iter()
            .map(|path| (Utf8PathBuf::from(path.trim_end_matches('/')), path.ends_with('/')))
            .filter(|(path, _)| path.parent().is_none_or(|parent| to.join(parent).is_dir()))
            .collect();
        while let Some((path, is_dir)) = open.pop() {
            let full = root.join(&path);
            if stop.is_told() || rules.is_skipped(full.as_std_path(), is_dir) {
                continue;
            }
            if let Some(how) = rules.named(full.as_std_path(), is_dir) {
                items.push(Item { path, how, is_dir });
            } else if is_dir && !full.join(".git").exists() {
                let entries = match full.read_dir_utf8() {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    entries => entries.map_err(TreeError::file("read", &full))?,
                };
                for entry in entries.filter_map(Result::ok) {
                    let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                    open.push((path.join(entry.file_name()), is_dir));
                }
            }
        }
        items.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(items)
    })
    .await
}

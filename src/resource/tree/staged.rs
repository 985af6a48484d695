//! What is staged as a whole and goes to its place: written down before the first rename, so that whoever comes after a
//! crash places the rest and knows what of it is whole.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::TreeError;
use crate::store::atomic::{self, Access};

/// Name of the staging folder, at the top of the tree that is filled; git is told to ignore it.
pub(super) const STAGING: &str = ".agent-harness-fill";
/// Name of the list in it. The items' own names there are numbers.
const LIST: &str = "staged.json";

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Staged {
    /// The state of the tree that it comes from.
    pub(super) state: String,
    /// Whether each item is whole, and its place; its number is its name in the staging folder.
    pub(super) items: Vec<(bool, Utf8PathBuf)>,
    /// What was placed by a call before, as a whole and in the same state.
    pub(super) earlier: Vec<Utf8PathBuf>,
}

impl Staged {
    /// The list, when the staging came to its end.
    pub(super) fn read(staging: &Utf8Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(staging.join(LIST)).ok()?).ok()
    }

    pub(super) fn write(&self, staging: &Utf8Path) -> Result<(), TreeError> {
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        atomic::write(&staging.join(LIST), &bytes, Access::Private).map_err(|error| std::io::Error::other(error).into())
    }

    /// Moves to their places what is not there yet. Returns what is there as a whole.
    pub(super) fn place(&self, staging: &Utf8Path, to: &Utf8Path) -> Result<Vec<Utf8PathBuf>, TreeError> {
        let mut whole = self.earlier.clone();
        for (number, (is_whole, path)) in self.items.iter().enumerate() {
            let (staged, place) = (staging.join(number.to_string()), to.join(path));
            let is_staged = staged.symlink_metadata().is_ok();
            if is_staged && place.symlink_metadata().is_err() {
                if let Some(parent) = place.parent() {
                    fs_err::create_dir_all(parent).map_err(TreeError::file("make", parent))?;
                }
                fs_err::rename(&staged, &place).map_err(TreeError::file("bring", &place))?;
            }
            if *is_whole && place.symlink_metadata().is_ok() {
                whole.push(path.clone());
            }
        }
        Ok(whole)
    }
}

/// Forgets the list of what was brought to the tree `to`: it is noted elsewhere.
///
/// # Errors
/// When it cannot be removed.
pub async fn finish(to: &Utf8Path) -> Result<(), TreeError> {
    let staging = to.join(STAGING);
    super::remove(&staging).await.map_err(TreeError::file("remove", &staging))
}

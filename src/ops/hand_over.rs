//! What a new worktree may believe of what was prepared in the checkout that it was filled from.
//!
//! An entry is taken over when its files were as they had been prepared before and after they were brought, the
//! worktree has the same inputs, and every output is there, brought whole or equal. Anything else is prepared anew.

use std::collections::BTreeMap;

use camino::Utf8Path;
use sha2::{Digest as _, Sha256};

use super::{
    prepare::{self, Done, Place, fingerprint},
    project::Project,
};
use crate::{error::Result, model::manifest::Prepare, store::lock::Lock};

/// A prepared checkout that nobody prepares meanwhile.
pub(super) struct Source<'a> {
    _lock: Lock,
    project: &'a Project,
    workdir: &'a Utf8Path,
    /// What came to a good end in it.
    done: Done,
    /// What each of these would be run on now.
    before: BTreeMap<String, String>,
}

impl<'a> Source<'a> {
    /// Waits until nobody prepares `workdir`, and keeps it so.
    pub(super) async fn hold(project: &'a Project, workdir: &'a Utf8Path) -> Result<Self> {
        let place = Place::of(project, workdir);
        let lock = Lock::acquire(&project.paths.locks(), &place.lock, "launch --worktree", prepare::PATIENCE).await?;
        let done = place.read()?;
        Ok(Self { _lock: lock, project, workdir, done, before: fingerprints(project, workdir) })
    }

    /// The state that this checkout is in, as far as its preparation goes.
    pub(super) fn state(&self) -> String {
        let mut digest = Sha256::new();
        for (name, print) in self.done.iter().chain(&self.before) {
            digest.update(format!("{name}\0{print}\0"));
        }
        hex::encode(digest.finalize())
    }

    /// Outputs of commands that did not come to a good end here: whatever lies there may be half of it.
    pub(super) fn half_made(&self) -> impl Iterator<Item = &'a str> {
        let steps = &self.project.settings.manifest.prepare;
        let half = steps.iter().filter(|step| !self.done.contains_key(&step.name));
        half.flat_map(|step| step.outputs.iter().map(String::as_str))
    }

    /// Has the worktree `to`, which was just filled, remember what is as true of it as of this checkout. `brought` says
    /// whether a path came from here as a whole. Returns the names.
    pub(super) fn hand_over(self, to: &Utf8Path, brought: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let after = fingerprints(self.project, self.workdir);
        let theirs = fingerprints(self.project, to);
        let mut taken = Done::new();
        for step in &self.project.settings.manifest.prepare {
            let Some(done) = self.done.get(&step.name) else { continue };
            let all = [&self.before, &after, &theirs];
            let unchanged = all.into_iter().all(|prints| prints.get(&step.name) == Some(done));
            if unchanged && self.has_outputs(step, to, &brought) {
                taken.insert(step.name.clone(), done.clone());
            }
        }
        let place = Place::of(self.project, to);
        // What was remembered of another worktree at that place says nothing of this one.
        place.read()?;
        place.write(&taken)?;
        Ok(taken.into_keys().collect())
    }

    /// Of a command without outputs nobody knows what it does.
    fn has_outputs(&self, step: &Prepare, to: &Utf8Path, brought: impl Fn(&str) -> bool) -> bool {
        !step.outputs.is_empty()
            && step.outputs.iter().all(|output| {
                let (ours, theirs) = (self.workdir.join(output), to.join(output));
                theirs.exists() && (brought(output) || is_equal_file(&ours, &theirs))
            })
    }
}

fn is_equal_file(left: &Utf8Path, right: &Utf8Path) -> bool {
    left.is_file() && matches!((fs_err::read(left), fs_err::read(right)), (Ok(left), Ok(right)) if left == right)
}

/// What each command would be run on; one whose inputs cannot be read is left out, and so taken over by nobody.
fn fingerprints(project: &Project, workdir: &Utf8Path) -> BTreeMap<String, String> {
    let steps = project.settings.manifest.prepare.iter();
    steps.filter_map(|step| Some((step.name.clone(), fingerprint(step, workdir).ok()?))).collect()
}

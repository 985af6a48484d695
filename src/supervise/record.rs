//! Who runs: the supervisor's own record, by which the next one adopts.
//!
//! It is replaced as a whole at every change, without waiting for the disk: it has to survive every death of ours, not
//! one of the machine, after which nothing of what it says runs any more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    config::paths::StackDir,
    model::{
        machine::Saved,
        stack::{ProcessSpec, Stop},
    },
    process::identity::Identity,
    store::atomic::{self, Access},
    supervise::SuperviseError,
};

/// Version of the record; one of another version is not used, and everything is found by its marks.
const VERSION: u32 = 1;

/// All that the next supervisor must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The boot of which it tells.
    pub(crate) boot: String,
    /// The keeper.
    pub(crate) keeper: Option<Identity>,
    /// The processes by name.
    pub(crate) processes: BTreeMap<String, Entry>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its machine.
    pub(crate) saved: Saved,
    /// Its leader, as long as anything of its life may be there.
    pub(crate) leader: Option<Identity>,
    /// When that was started.
    pub(crate) started: Option<Timestamp>,
    /// Digest of what it was started with.
    pub(crate) digest: String,
    /// How it is stopped, should the specification not have it any more.
    pub(crate) stop: Stop,
}

impl Record {
    /// The record of `directory`; an empty one when there is none, it cannot be used, or it tells of an earlier boot
    /// (then only who was stopped is kept).
    pub(crate) fn load(directory: &StackDir, boot: &str) -> Self {
        let read = std::fs::read(directory.runtime()).unwrap_or_default();
        let Ok(mut record) = serde_json::from_slice::<Self>(&read) else { return Self::new(boot) };
        if record.version != VERSION {
            return Self::new(boot);
        }
        if record.boot != boot {
            record = Self { processes: record.processes, ..Self::new(boot) };
            for entry in record.processes.values_mut() {
                entry.leader = None;
                entry.saved = Saved { stopped: entry.saved.stopped, life: entry.saved.life, ..Saved::default() };
            }
        }
        record
    }

    /// An empty record of this boot.
    pub(crate) fn new(boot: &str) -> Self {
        Self { version: VERSION, boot: boot.to_owned(), keeper: None, processes: BTreeMap::new() }
    }

    /// Replaces the record on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn store(&self, directory: &StackDir) -> Result<(), SuperviseError> {
        let content =
            serde_json::to_vec(self).map_err(|source| SuperviseError::Spec { path: directory.runtime(), source })?;
        Ok(atomic::replace(&directory.runtime(), &content, Access::Private)?)
    }
}

/// Digest of all that a process is started with; another digest means that it must be restarted to have it.
pub(crate) fn digest(spec: &ProcessSpec) -> String {
    use sha2::Digest as _;
    let started_with = (&spec.argv, &spec.cwd, &spec.env, spec.run_as);
    let text = serde_json::to_vec(&started_with).unwrap_or_default();
    hex::encode(&sha2::Sha256::digest(text)[..16])
}

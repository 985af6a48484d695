//! What the cluster's control file and our own note say of its last end.

use std::io::Read as _;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::ClusterError;
use crate::{
    model::manifest::Durability,
    store::atomic::{self, Access},
};

/// The last setup: written before the server is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started {
    /// The kernel's boot id then.
    pub(super) boot_id: String,
    /// What the server was configured to.
    pub(super) durability: Durability,
}

impl Started {
    /// The note at `path`; one that is missing or unreadable says nothing.
    pub(super) fn read(path: &Utf8Path) -> Option<Self> {
        serde_json::from_slice(&fs_err::read(path).ok()?).ok()
    }

    pub(super) fn write(&self, path: &Utf8Path) -> Result<(), ClusterError> {
        let text = serde_json::to_vec_pretty(self).expect("a note is plain JSON");
        Ok(atomic::write(path, &text, Access::Shared)?)
    }

    /// Whether data may be lost that was written under this note: the machine went down under a server that did not
    /// sync, before it was shut down.
    pub(super) fn is_doubtful(&self, boot_id: &str, shut_down: bool) -> bool {
        self.durability == Durability::Off && self.boot_id != boot_id && !shut_down
    }
}

/// The id of this boot.
pub(super) fn boot_id() -> Result<String, ClusterError> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = fs_err::read_to_string(path).map_err(ClusterError::file("read", path))?;
    Ok(text.trim().to_owned())
}

/// Whether the cluster was shut down cleanly: the state in `global/pg_control`, which follows the system identifier
/// and two version numbers in every version of PostgreSQL, is `DB_SHUTDOWNED`.
pub(super) fn was_shut_down(data: &Utf8Path) -> Result<bool, ClusterError> {
    const STATE_AT: usize = 16;
    const SHUT_DOWN: u32 = 1;
    let path = data.join("global/pg_control");
    let mut head = [0; STATE_AT + 4];
    fs_err::File::open(&path)
        .and_then(|mut file| file.read_exact(&mut head))
        .map_err(ClusterError::file("read", &path))?;
    let state = u32::from_ne_bytes(head[STATE_AT..].try_into().expect("four bytes"));
    Ok(state == SHUT_DOWN)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Durability::Off, "before", false, true)]
    #[case(Durability::Off, "before", true, false)]
    #[case(Durability::Off, "now", false, false)]
    #[case(Durability::On, "before", false, false)]
    fn only_an_unsynced_crash_of_the_machine_is_doubtful(
        #[case] durability: Durability,
        #[case] boot: &str,
        #[case] shut_down: bool,
        #[case] doubtful: bool,
    ) {
        let note = Started { boot_id: boot.to_owned(), durability };
        assert_eq!(note.is_doubtful("now", shut_down), doubtful);
    }
}

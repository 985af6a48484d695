//! Ids, ports and projects of this Unix user: which id belongs to which project, and whose infra settings hold.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    lock::{Lock, PATIENCE},
    record::{make_private_directory, read_versioned, write_json},
};
use crate::model::{
    id::AgentId,
    manifest::{Infra, InfraPorts, Provider, Service},
    ports,
};

/// The version that is written.
const VERSION: u64 = 1;

/// What this user's projects have claimed. Rebuildable: an agent that is missing here is only claimed anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    version: u64,
    infra: Option<InfraClaim>,
    agents: BTreeMap<AgentId, AgentClaim>,
}

/// Whose an id is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentClaim {
    /// The main checkout of the project.
    pub project: Utf8PathBuf,
    /// The tree that the agent's processes run in.
    pub workdir: Utf8PathBuf,
}

/// The infra settings that hold: those of the first project, with what later ones added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InfraClaim {
    /// The main checkout of the project that set the infra up.
    pub project: Utf8PathBuf,
    /// Who runs the services.
    pub provider: Provider,
    /// Where they listen.
    pub ports: InfraPorts,
    /// The services that some project uses.
    pub services: BTreeSet<Service>,
    /// The extensions that some project uses, in the order in which they came.
    pub extensions: Vec<String>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { version: VERSION, infra: None, agents: BTreeMap::new() }
    }
}

impl Registry {
    /// The registry at `path`; an empty one when there is none.
    ///
    /// # Errors
    /// When it cannot be read, is damaged or of a newer version.
    pub fn read(path: &Utf8Path) -> Result<Self, StoreError> {
        Ok(read_versioned(path, VERSION)?.unwrap_or_default())
    }

    /// Changes the registry at `path` under its lock, in the directory `locks`. Nothing is written when `change` fails
    /// or changes nothing.
    ///
    /// # Errors
    /// What `change` returns, or that the registry cannot be locked, read or written.
    pub async fn change<T>(
        path: &Utf8Path,
        locks: &Utf8Path,
        command: &str,
        change: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _lock = Lock::acquire(locks, "registry", command, PATIENCE).await?;
        let before = Self::read(path)?;
        let mut after = before.clone();
        let result = change(&mut after)?;
        if after != before {
            if let Some(directory) = path.parent() {
                make_private_directory(directory)?;
            }
            write_json(path, &after)?;
        }
        Ok(result)
    }

    /// All agents by id.
    #[must_use]
    pub const fn agents(&self) -> &BTreeMap<AgentId, AgentClaim> {
        &self.agents
    }

    /// The infra settings that hold, once a project has set it up.
    #[must_use]
    pub const fn infra(&self) -> Option<&InfraClaim> {
        self.infra.as_ref()
    }

    /// The agent whose processes run in `workdir`, when that is a worktree of its own (several agents may share the
    /// project's checkout, or a worktree that a person made).
    #[must_use]
    pub fn owner_of(&self, workdir: &Utf8Path) -> Option<AgentId> {
        let mut found = self.agents.iter().filter(|(_, claim)| claim.workdir == workdir && claim.project != workdir);
        let first = found.next().map(|(id, _)| *id);
        if found.next().is_some() { None } else { first }
    }

    /// Claims `id` for a project. Claiming it again is nothing new; the workdir is replaced.
    ///
    /// # Errors
    /// When it belongs to another project.
    pub fn claim(&mut self, id: AgentId, project: &Utf8Path, workdir: &Utf8Path) -> Result<(), StoreError> {
        match self.agents.get(&id) {
            Some(claim) if claim.project != project => {
                return Err(StoreError::IdTaken { id, project: claim.project.clone() });
            }
            _ => {}
        }
        self.agents.insert(id, AgentClaim { project: project.to_owned(), workdir: workdir.to_owned() });
        Ok(())
    }

    /// The lowest id that no project has claimed and that is `usable` (its ports can be had).
    ///
    /// # Errors
    /// When there is none.
    pub fn next_free(&self, usable: impl Fn(AgentId) -> bool) -> Result<AgentId, StoreError> {
        (1..=AgentId::MAX)
            .filter_map(|number| AgentId::new(number).ok())
            .find(|id| !self.agents.contains_key(id) && usable(*id))
            .ok_or(StoreError::NoFreeId)
    }

    /// Gives `id` back.
    pub fn release(&mut self, id: AgentId) {
        self.agents.remove(&id);
    }

    /// Makes the infra settings of the project at `project` hold, if they are the first or those of the same project;
    /// else adds what they need to those that hold. Returns what holds.
    ///
    /// # Errors
    /// When another project's provider or ports hold and differ.
    pub fn claim_infra(
        &mut self,
        project: &Utf8Path,
        infra: &Infra,
        ports: InfraPorts,
    ) -> Result<&InfraClaim, StoreError> {
        let mut claim = InfraClaim {
            project: project.to_owned(),
            provider: infra.provider,
            ports,
            services: infra.services.iter().copied().collect(),
            extensions: Vec::new(),
        };
        if let Some(holds) = self.infra.take() {
            let differs = if holds.project == project { None } else { difference(&holds, &claim) };
            if let Some((key, has, needs)) = differs {
                let (owner, other) = (holds.project.clone(), project.to_owned());
                self.infra = Some(holds);
                return Err(StoreError::InfraDiffers { project: owner, other, key, has, needs });
            }
            claim.project = holds.project;
            claim.services.extend(holds.services);
            claim.extensions = holds.extensions;
        }
        for extension in &infra.extensions {
            if !claim.extensions.contains(extension) {
                claim.extensions.push(extension.clone());
            }
        }
        Ok(self.infra.insert(claim))
    }

    /// Forgets the infra settings: the infra is gone.
    pub fn release_infra(&mut self) {
        self.infra = None;
    }
}

/// What cannot be shared: the key, what holds, what is needed.
fn difference(holds: &InfraClaim, needs: &InfraClaim) -> Option<(&'static str, String, String)> {
    if holds.provider != needs.provider {
        let name = |provider: Provider| format!("{provider:?}").to_lowercase();
        return Some(("infra.provider", name(holds.provider), name(needs.provider)));
    }
    let pairs = ports::infra_list(&holds.ports).into_iter().zip(ports::infra_list(&needs.ports));
    for ((key, has), (_, port)) in pairs {
        if has != port {
            return Some((infra_key(key), has.to_string(), port.to_string()));
        }
    }
    None
}

fn infra_key(name: &str) -> &'static str {
    match name {
        "postgres" => "infra.ports.postgres",
        "s3" => "infra.ports.s3",
        "s3_console" => "infra.ports.s3_console",
        "browser" => "infra.ports.browser",
        "smtp" => "infra.ports.smtp",
        _ => "infra.ports.mail",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> AgentId {
        AgentId::new(number).expect("an id")
    }

    #[test]
    fn an_id_belongs_to_one_project() {
        let mut registry = Registry::default();
        registry.claim(id(1), "/a".into(), "/a".into()).expect("a free id");
        registry.claim(id(1), "/a".into(), "/w/agent-1".into()).expect("its own id");
        let error = registry.claim(id(1), "/b".into(), "/b".into()).expect_err("another's id");
        assert_eq!(error.to_string(), "agent 1 belongs to the project /a");
        assert_eq!(registry.owner_of("/w/agent-1".into()), Some(id(1)));
        assert_eq!(registry.next_free(|id| id.get() != 2).expect("an id"), id(3));
        registry.release(id(1));
        assert_eq!(registry.next_free(|_| true).expect("an id"), id(1));
    }

    #[test]
    fn a_checkout_has_no_owner() {
        let mut registry = Registry::default();
        registry.claim(id(1), "/a".into(), "/a".into()).expect("a free id");
        assert_eq!(registry.owner_of("/a".into()), None);
    }

    #[test]
    fn the_first_project_s_infra_holds_and_later_ones_add() {
        let mut registry = Registry::default();
        let first = Infra { services: vec![Service::Postgres], extensions: vec!["citext".into()], ..Infra::default() };
        registry.claim_infra("/a".into(), &first, InfraPorts::default()).expect("the first");
        let second = Infra {
            services: vec![Service::S3],
            extensions: vec!["vector".into(), "citext".into()],
            ..Infra::default()
        };
        let holds = registry.claim_infra("/b".into(), &second, InfraPorts::default()).expect("what can be shared");
        assert_eq!(holds.project, "/a");
        assert_eq!(holds.services, BTreeSet::from([Service::Postgres, Service::S3]));
        assert_eq!(holds.extensions, ["citext", "vector"]);
        let before = registry.clone();
        let other = InfraPorts { smtp: 2525, ..InfraPorts::default() };
        let error = registry.claim_infra("/b".into(), &second, other).expect_err("another port");
        assert_eq!(
            error.to_string(),
            "the infra of this user was set up by /a with infra.ports.smtp = 11025, and /b needs 2525"
        );
        assert_eq!(registry, before);
    }

    /// Several commands claim ids in the same instant: each gets its own, and nothing is lost.
    #[test]
    fn changes_at_once_are_all_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let path = directory.join("registry.json");
        let claim = async |_| {
            let claim = |registry: &mut Registry| {
                let id = registry.next_free(|_| true)?;
                registry.claim(id, "/a".into(), "/a".into())?;
                Ok(id)
            };
            Registry::change(&path, directory, "launch next", claim).await.expect("an id")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut ids = runtime.block_on(futures_util::future::join_all((0..8).map(claim)));
        ids.sort_unstable();
        assert_eq!(ids, (1..=8).map(id).collect::<Vec<_>>());
        let registry = Registry::read(&path).expect("a registry");
        assert_eq!(registry.agents().keys().copied().collect::<Vec<_>>(), ids);
    }

    #[test]
    fn it_survives_the_disk() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("registry.json");
        let mut registry = Registry::default();
        registry.claim(id(7), "/a b".into(), "/ä".into()).expect("a free id");
        registry.claim_infra("/a b".into(), &Infra::default(), InfraPorts::default()).expect("the first");
        write_json(&path, &registry).expect("a written file");
        assert_eq!(Registry::read(&path).expect("a registry"), registry);
    }
}

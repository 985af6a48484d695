//! What the infra was set up with; `<state>/infra/infra.json`. Rebuildable: without it the next setup finds out again.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Infra, Postgres, secrets::InfraSecrets};
use crate::{
    config::paths::Paths,
    error::Result,
    infra::{
        obtain::{BrowserBinary, PostgresBinaries},
        postgres::{Server, clone_cost::CloneCosts},
    },
    model::manifest::{Durability, InfraPorts, Programs, Service},
    ops::OpsError,
    store::{
        atomic::{self, Access},
        registry::InfraClaim,
    },
};

/// The version that is written and read.
const VERSION: u32 = 1;

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InfraRecord {
    version: u32,
    /// Where the services listen.
    pub ports: InfraPorts,
    /// What runs.
    pub services: BTreeSet<Service>,
    /// Safety of PostgreSQL's data.
    pub durability: Durability,
    /// What the services have of the environment of the shell that set them up.
    pub base_env: IndexMap<String, String>,
    /// The programs that were asked for.
    #[serde(default)]
    pub programs: Programs,
    /// The PostgreSQL that runs.
    pub postgres: Option<PostgresBinaries>,
    /// What cloning costs there.
    pub costs: CloneCosts,
    /// The browser that the gateway starts.
    pub browser: Option<BrowserBinary>,
}

impl InfraRecord {
    /// A record of nothing yet.
    pub(super) fn new(claim: &InfraClaim, durability: Durability, base_env: IndexMap<String, String>) -> Self {
        Self {
            version: VERSION,
            ports: claim.ports,
            services: claim.services.clone(),
            durability,
            base_env,
            programs: Programs::default(),
            postgres: None,
            costs: CloneCosts::default(),
            browser: None,
        }
    }

    /// The record, if there is one that this version understands.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(paths: &Paths) -> Result<Option<Self>> {
        let path = paths.infra("infra.json");
        match fs_err::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok().filter(|record: &Self| record.version == VERSION)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpsError::File { act: "read", path, source }.into()),
        }
    }

    /// Replaces the file.
    pub(super) fn write(&self, paths: &Paths) -> Result<()> {
        let path = paths.infra("infra.json");
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| OpsError::File {
            act: "write",
            path: path.clone(),
            source: error.into(),
        })?;
        Ok(atomic::write(&path, &bytes, Access::Private)?)
    }

    /// Whether what was set up is enough for `claim`.
    pub(super) fn offers(&self, claim: &InfraClaim) -> bool {
        let postgres = || {
            let offers = self.postgres.as_ref().map(|postgres| &postgres.offers);
            claim.extensions.iter().all(|extension| offers.is_some_and(|offers| offers.contains(extension)))
        };
        let uses_postgres = claim.services.contains(&Service::Postgres);
        self.ports == claim.ports && claim.services.is_subset(&self.services) && (!uses_postgres || postgres())
    }

    /// The infra that it tells of.
    pub(super) fn infra(&self, paths: &Paths) -> Result<Infra> {
        let Some(binaries) = &self.postgres else { return Ok(Infra { postgres: None }) };
        let secrets = InfraSecrets::ensure(paths)?;
        let server = Server {
            host: super::HOST.to_owned(),
            port: self.ports.postgres,
            superuser: "postgres".to_owned(),
            password: secrets.postgres,
        };
        Ok(Infra { postgres: Some(Postgres { server, costs: self.costs.clone(), psql: binaries.psql.clone() }) })
    }
}

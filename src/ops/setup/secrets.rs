//! Passwords of the infra itself: `<state>/infra/secrets.json`, mode 0600.

use serde::{Deserialize, Serialize};

use crate::{
    config::paths::Paths,
    error::Result,
    model::secret::Secret,
    ops::OpsError,
    store::{
        atomic::{self, Access},
        random,
    },
};

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InfraSecrets {
    /// Password of PostgreSQL's superuser.
    pub(super) postgres: Secret,
}

impl InfraSecrets {
    /// The secrets; made at random when there are none. They are never made anew while the file is there, even if it
    /// cannot be read: a cluster keeps the password that it was made with.
    pub(super) fn ensure(paths: &Paths) -> Result<Self> {
        let path = paths.infra("secrets.json");
        match fs_err::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| OpsError::File { act: "read", path, source: error.into() }.into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self { postgres: random::secret()? };
                let bytes = serde_json::to_vec_pretty(&secrets).map_err(|error| OpsError::File {
                    act: "write",
                    path: path.clone(),
                    source: error.into(),
                })?;
                atomic::write(&path, &bytes, Access::Private)?;
                Ok(secrets)
            }
            Err(source) => Err(OpsError::File { act: "read", path, source }.into()),
        }
    }
}

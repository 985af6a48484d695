//! One versioned JSON record an agent: what was decided at its launch and cannot be derived from its id.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    atomic::{self, Access},
};
use crate::model::{id::AgentId, manifest::Service, secret::Secret};

/// The version that is written.
pub const VERSION: u64 = 1;

/// What was decided at an agent's launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// [`VERSION`].
    pub version: u64,
    /// The agent.
    pub id: AgentId,
    /// The main checkout of its project.
    pub project_root: Utf8PathBuf,
    /// The manifest that it was launched with.
    pub manifest_path: Utf8PathBuf,
    /// The tree that its processes run in.
    pub workdir: Utf8PathBuf,
    /// When it was launched first.
    pub created: Timestamp,
    /// Whether its last launch came to its end: the agent was proven healthy.
    pub healthy: bool,
    /// Whether any launch came to its end. Until then each one takes the environment of its own shell.
    #[serde(default)]
    pub has_been_healthy: bool,
    /// Fingerprint of the template that its database was cloned from.
    pub template: Option<String>,
    /// What its processes have of the launching shell's environment.
    pub base_env: IndexMap<String, String>,
    /// `[env]` of the manifest, resolved for it.
    pub env: IndexMap<String, String>,
    /// The services that it uses.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Its ports by name.
    pub ports: IndexMap<String, u16>,
    /// Its pages by name.
    pub urls: IndexMap<String, String>,
    /// Its passwords and keys.
    pub secrets: AgentSecrets,
}

/// An agent's passwords and keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSecrets {
    /// Password of its PostgreSQL role.
    pub postgres: Secret,
    /// Secret of its S3 access key.
    pub s3: Secret,
    /// Password of its SMTP user.
    pub mail: Secret,
}

impl AgentSecrets {
    /// A new random password for PostgreSQL. Key and mailbox make their own when they are made.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn new() -> Result<Self, StoreError> {
        Ok(Self { postgres: super::random::secret()?, ..Self::none() })
    }

    /// No secrets, for commands that may have none.
    #[must_use]
    pub const fn none() -> Self {
        Self { postgres: Secret::new(String::new()), s3: Secret::new(String::new()), mail: Secret::new(String::new()) }
    }
}

impl AgentRecord {
    /// The record at `path`, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, is damaged or of a newer version.
    pub fn read(path: &Utf8Path) -> Result<Option<Self>, StoreError> {
        read_versioned(path, VERSION)
    }

    /// Replaces the record at `path`; makes its directory (0700).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Utf8Path) -> Result<(), StoreError> {
        if let Some(directory) = path.parent() {
            make_private_directory(directory)?;
        }
        write_json(path, self)
    }
}

/// Reads a JSON document with a `version` that is at most `known`; `None` when there is no file.
pub(super) fn read_versioned<T: DeserializeOwned>(path: &Utf8Path, known: u64) -> Result<Option<T>, StoreError> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Read { path: path.to_owned(), source }),
    };
    let damaged = |source| StoreError::Damaged { path: path.to_owned(), source };
    // Before the rest: a newer version may have other fields.
    let Version { version: found } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// Replaces the document at `path`, mode 0600.
pub(super) fn write_json(path: &Utf8Path, value: &impl Serialize) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| StoreError::Write { path: path.to_owned(), source: source.into() })?;
    atomic::write(path, &bytes, Access::Private)
}

/// Makes `directory` and those above it, mode 0700.
pub(super) fn make_private_directory(directory: &Utf8Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| StoreError::Write { path: directory.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AgentRecord {
        AgentRecord {
            version: VERSION,
            id: AgentId::new(7).expect("an id"),
            project_root: "/a b".into(),
            manifest_path: "/a b/agent-harness/harness.toml".into(),
            workdir: "/w/ä".into(),
            created: "2026-11-22T17:00:00Z".parse().expect("a time"),
            healthy: true,
            has_been_healthy: true,
            env: IndexMap::new(),
            urls: IndexMap::new(),
            template: Some("abc".to_owned()),
            base_env: IndexMap::from([("HOME".to_owned(), "/root".to_owned())]),
            services: vec![Service::Postgres],
            ports: IndexMap::from([("api".to_owned(), 8070)]),
            secrets: AgentSecrets::new().expect("randomness"),
        }
    }

    #[test]
    fn a_record_survives_the_disk_and_is_private() {
        use std::os::unix::fs::MetadataExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("agents/7/record.json");
        assert_eq!(AgentRecord::read(&path).expect("no record"), None);
        let record = record();
        record.write(&path).expect("a written record");
        assert_eq!(AgentRecord::read(&path).expect("a record"), Some(record.clone()));
        assert_eq!(std::fs::metadata(&path).expect("the file").mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(path.parent().expect("a directory")).expect("it").mode() & 0o777, 0o700);
        assert!(!format!("{record:?}").contains(record.secrets.postgres.expose()));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("record.json");
        let read = |text: &str| {
            atomic::write(&path, text.as_bytes(), Access::Private).expect("a written file");
            AgentRecord::read(&path).expect_err("an error").to_string()
        };
        assert_eq!(
            read("{\"version\": 9, \"new\": 1}"),
            format!("{path} has version 9, and this agent-harness knows versions up to 1")
        );
        assert_eq!(read("{\"version\": 1}"), format!("{path} is damaged"));
        assert_eq!(read(""), format!("{path} is damaged"));
    }
}

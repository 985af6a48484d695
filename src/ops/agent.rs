//! An agent that was launched, as its record tells.

use camino::Utf8PathBuf;
use indexmap::IndexMap;

use super::OpsError;
use crate::{
    config::paths::Paths,
    error::Result,
    model::{id::AgentId, manifest::Service, secret::Secret},
    store::{
        record::{AgentRecord, AgentSecrets},
        registry::InfraClaim,
    },
};

/// A launched agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What was decided at its launch.
    pub record: AgentRecord,
}

impl Agent {
    /// The agent `id`.
    ///
    /// # Errors
    /// When nobody launched it, or its record cannot be read.
    pub fn open(paths: &Paths, id: AgentId) -> Result<Self> {
        let record = AgentRecord::read(&paths.record(id))?.ok_or(OpsError::NotLaunched(id))?;
        Ok(Self { record })
    }

    /// Its pages by name; the first one is for people.
    #[must_use]
    pub const fn urls(&self) -> &IndexMap<String, String> {
        &self.record.urls
    }

    /// Its pages, and its own views of the shared services: the mailbox, logged in by the link (whoever may read the
    /// agent's record may read its mail), and the object browser, which asks for the bucket's key.
    #[must_use]
    pub fn pages(&self, infra: Option<&InfraClaim>) -> IndexMap<String, String> {
        let mut pages = self.record.urls.clone();
        let Some(infra) = infra else { return pages };
        let uses = |service, secret: &Secret| infra.services.contains(&service) && !secret.expose().is_empty();
        let AgentSecrets { s3, mail, .. } = &self.record.secrets;
        if uses(Service::Mail, mail) {
            let (name, password) = (self.record.id.name(), mail.expose());
            let link = format!("http://localhost:{}/login?user={name}&password={password}", infra.ports.mail);
            pages.insert("mailbox".to_owned(), link);
        }
        if uses(Service::S3, s3) {
            pages.insert("objects".to_owned(), format!("http://localhost:{}/", infra.ports.s3_console));
        }
        pages
    }

    /// What all its processes have in common: the recorded part of the launching shell's environment and `[env]`.
    #[must_use]
    pub fn environment(&self) -> IndexMap<String, String> {
        let mut environment = self.record.base_env.clone();
        environment.extend(self.record.env.clone());
        environment
    }

    /// Where commands run: the current directory when it is inside the workdir, else the workdir.
    #[must_use]
    pub fn directory_for_commands(&self, current: Option<Utf8PathBuf>) -> Utf8PathBuf {
        current
            .filter(|current| current.starts_with(&self.record.workdir))
            .unwrap_or_else(|| self.record.workdir.clone())
    }
}

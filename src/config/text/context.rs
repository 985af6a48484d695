//! What the names mean for one agent, or for a template that is being built.

use camino::Utf8PathBuf;
use indexmap::IndexMap;

use crate::model::{
    manifest::{Manifest, Service},
    secret::Secret,
};

/// All values that texts can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The agent's id; 0 for a template.
    pub id: u16,
    /// `agent-<id>`; `template` for a template.
    pub name: String,
    /// The tree that the processes run in, absolute.
    pub workdir: Utf8PathBuf,
    /// The project's main checkout, where the manifest lies and what goes with it; absolute.
    pub project: Utf8PathBuf,
    /// Ports by name.
    pub ports: IndexMap<String, u16>,
    /// The database, when the app uses it.
    pub postgres: Option<Postgres>,
    /// The bucket, when the app uses it.
    pub s3: Option<S3>,
    /// The mailbox, when the app uses it.
    pub mail: Option<Mail>,
    /// The browser, when the app uses it.
    pub browser: Option<Browser>,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Host of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Name of the database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// The bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    /// Host of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Region to sign for.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret,
}

/// The mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Host of the SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Port of the page and the API, on the same host.
    pub web_port: u16,
    /// SMTP user; the page and the API take the same login.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// The browser gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    /// Host of the gateway.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The names of each service, without the service's own.
const fn names_of(service: Service) -> &'static [&'static str] {
    match service {
        Service::Postgres => &["host", "port", "database", "user", "password", "url"],
        Service::S3 => &["endpoint", "port", "region", "bucket", "access_key", "secret_key"],
        Service::Browser => &["host", "port", "url"],
        Service::Mail => &["host", "port", "user", "password", "url", "web"],
    }
}

/// The commit that a task's `changed` compares with; known there only.
pub const VERIFY_BASE: &str = "verify.base";

/// Whether what `name` stands for must not be seen by others: no argv, no log.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    matches!(name, "postgres.password" | "postgres.url" | "s3.secret_key" | "mail.password" | "mail.url")
}

/// Every name that the texts of `manifest` may use.
#[must_use]
pub fn known_names(manifest: &Manifest) -> Vec<String> {
    let mut names: Vec<String> = ["id", "name", "workdir", "project"].map(str::to_owned).to_vec();
    names.extend(manifest.ports.keys().map(|port| format!("ports.{port}")));
    for service in &manifest.infra.services {
        names.extend(names_of(*service).iter().map(|name| format!("{}.{name}", service.name())));
    }
    names
}

impl Context {
    /// What `name` stands for.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<String> {
        match name.split_once('.') {
            None => match name {
                "id" => Some(self.id.to_string()),
                "name" => Some(self.name.clone()),
                "workdir" => Some(self.workdir.to_string()),
                "project" => Some(self.project.to_string()),
                _ => None,
            },
            Some(("ports", port)) => self.ports.get(port).map(u16::to_string),
            Some(("postgres", key)) => self.postgres.as_ref()?.lookup(key),
            Some(("s3", key)) => self.s3.as_ref()?.lookup(key),
            Some(("mail", key)) => self.mail.as_ref()?.lookup(key),
            Some(("browser", key)) => self.browser.as_ref()?.lookup(key),
            Some(_) => None,
        }
    }
}

impl Postgres {
    /// `postgres://user:password@host:port/database`. Its parts are made by the harness and need no escape.
    #[must_use]
    pub fn url(&self) -> Secret {
        let Self { host, port, database, user, password } = self;
        Secret::new(format!("postgres://{user}:{}@{host}:{port}/{database}", password.expose()))
    }

    fn lookup(&self, key: &str) -> Option<String> {
        Some(match key {
            "host" => self.host.clone(),
            "port" => self.port.to_string(),
            "database" => self.database.clone(),
            "user" => self.user.clone(),
            "password" => self.password.expose().to_owned(),
            "url" => self.url().expose().to_owned(),
            _ => return None,
        })
    }
}

impl S3 {
    /// `http://host:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    fn lookup(&self, key: &str) -> Option<String> {
        Some(match key {
            "endpoint" => self.endpoint(),
            "port" => self.port.to_string(),
            "region" => self.region.clone(),
            "bucket" => self.bucket.clone(),
            "access_key" => self.access_key.clone(),
            "secret_key" => self.secret_key.expose().to_owned(),
            _ => return None,
        })
    }
}

impl Mail {
    /// `smtp://user:password@host:port`.
    #[must_use]
    pub fn url(&self) -> Secret {
        let Self { host, port, user, password, .. } = self;
        Secret::new(format!("smtp://{user}:{}@{host}:{port}", password.expose()))
    }

    /// `http://host:port` of the page and the API, without the login.
    #[must_use]
    pub fn web(&self) -> String {
        format!("http://{}:{}", self.host, self.web_port)
    }

    fn lookup(&self, key: &str) -> Option<String> {
        Some(match key {
            "host" => self.host.clone(),
            "port" => self.port.to_string(),
            "user" => self.user.clone(),
            "password" => self.password.expose().to_owned(),
            "url" => self.url().expose().to_owned(),
            "web" => self.web(),
            _ => return None,
        })
    }
}

impl Browser {
    /// `ws://host:port`, as playwright's `connectOverCDP` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}:{}", self.host, self.port)
    }

    fn lookup(&self, key: &str) -> Option<String> {
        Some(match key {
            "host" => self.host.clone(),
            "port" => self.port.to_string(),
            "url" => self.url(),
            _ => return None,
        })
    }
}

//! What the names in manifest texts mean for one agent, or for the template.

use camino::Utf8Path;
use indexmap::IndexMap;

use crate::{
    config::text::{Browser, Context, Mail, Postgres, S3},
    model::{
        id::AgentId,
        manifest::{InfraPorts, Service},
        secret::Secret,
        settings::Settings,
    },
    store::record::AgentSecrets,
};

/// Host of every service.
pub(super) const HOST: &str = "127.0.0.1";
/// The region that S3 requests are signed for; ours has no others.
const REGION: &str = "us-east-1";
/// Access key, bucket and mailbox of a template that is being built.
pub(super) const TEMPLATE: &str = "template";

/// The values for agent `id`.
pub(super) fn of_agent(
    settings: &Settings,
    id: AgentId,
    workdir: &Utf8Path,
    ports: &IndexMap<String, u16>,
    secrets: &AgentSecrets,
) -> Context {
    let names = Names { name: id.name(), database: id.database(), role: id.database() };
    build(settings, id.get(), names, workdir, ports.clone(), secrets)
}

/// The values for a layer that is built in `database` by `role`. Ports are the bases: nothing listens while a layer is
/// built.
pub(super) fn of_template(settings: &Settings, database: &str, role: &str, secrets: &AgentSecrets) -> Context {
    let names = Names { name: TEMPLATE.to_owned(), database: database.to_owned(), role: role.to_owned() };
    build(settings, 0, names, &settings.project_root, settings.manifest.ports.clone(), secrets)
}

struct Names {
    name: String,
    database: String,
    role: String,
}

fn build(
    settings: &Settings,
    id: u16,
    names: Names,
    workdir: &Utf8Path,
    ports: IndexMap<String, u16>,
    secrets: &AgentSecrets,
) -> Context {
    let infra: &InfraPorts = &settings.infra_ports;
    let uses = |service| settings.services.contains(&service);
    let host = || HOST.to_owned();
    let secret = |secret: &Secret| secret.clone();
    Context {
        id,
        name: names.name.clone(),
        workdir: workdir.to_owned(),
        project: settings.project_root.clone(),
        ports,
        postgres: uses(Service::Postgres).then(|| Postgres {
            host: host(),
            port: infra.postgres,
            database: names.database,
            user: names.role,
            password: secret(&secrets.postgres),
        }),
        s3: uses(Service::S3).then(|| S3 {
            host: host(),
            port: infra.s3,
            region: REGION.to_owned(),
            bucket: names.name.clone(),
            access_key: names.name.clone(),
            secret_key: secret(&secrets.s3),
        }),
        mail: uses(Service::Mail).then(|| Mail {
            host: host(),
            port: infra.smtp,
            web_port: infra.mail,
            user: names.name.clone(),
            password: secret(&secrets.mail),
        }),
        browser: uses(Service::Browser).then(|| Browser { host: host(), port: infra.browser }),
    }
}

//! Whether an agent is well, asked from the app and the services themselves, with the agent's own credentials.

use std::{future::Future, time::Instant};

use futures_util::future::{join_all, try_join_all};
use schemars::JsonSchema;
use serde::Serialize;

use super::{agent::Agent, context::HOST, setup, status};
use crate::{
    config::paths::Paths,
    error::Result,
    infra::postgres::{Login, Session},
    model::{
        id::AgentId,
        manifest::Service,
        stack::{ReadyCheck, StackName},
        status::ProcessState,
    },
    process::probe,
    resource::bucket::{BucketState, Buckets},
    store::registry::{InfraClaim, Registry},
    supervisor::builtin::Builtin,
};

/// Everything that was asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Health {
    /// The agent.
    pub id: AgentId,
    /// Whether all checks are ok.
    pub healthy: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

/// One question and its answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// What was asked: a process, a page, a service.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What it said.
    pub detail: String,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
}

impl Health {
    /// The first thing that is not well, as `name: detail`.
    #[must_use]
    pub fn first_failure(&self) -> String {
        let bad = self.checks.iter().find(|check| !check.ok);
        bad.map(|check| format!("{}: {}", check.name, check.detail)).unwrap_or_default()
    }
}

/// Asks everything of agent `id` at once.
///
/// # Errors
/// When it is not launched or its record cannot be read; what does not answer is a check that is not ok.
pub async fn of(paths: &Paths, id: AgentId) -> Result<Health> {
    let agent = Agent::open(paths, id)?;
    let registry = Registry::read(&paths.registry())?;
    let stack = StackName::Agent(id);
    let status = status::stack(paths, stack).await?;
    let mut checks = Vec::new();
    let state = status.as_ref().map_or(status::Overall::Down, |stack| status::Overall::of(&stack.processes));
    let ok = state == status::Overall::Running;
    checks.push(Check { name: "processes".to_owned(), ok, detail: state.to_string(), took_ms: 0 });
    if let Some(status) = status {
        let specification = Builtin::new(paths).specification(stack)?;
        // One that nobody started is not expected to answer.
        let is_off = |name: &str| {
            status.processes.iter().any(|process| process.name == name && process.state == ProcessState::Stopped)
        };
        let wanted = specification.processes.iter().filter(|process| process.autostart || !is_off(&process.name));
        let asked = wanted.filter_map(|process| match &process.ready.as_ref()?.check {
            ReadyCheck::Http { url } => Some((process.name.clone(), url.clone())),
            ReadyCheck::Tcp { .. } | ReadyCheck::Log { .. } | ReadyCheck::Command { .. } => None,
        });
        let ask = |(name, url): (String, String)| async move { check(&name, http(&url)).await };
        checks.extend(join_all(asked.map(ask)).await);
    }
    if let Some(infra) = registry.infra() {
        checks.extend(join_all(agent.record.services.iter().map(|service| ask(paths, infra, &agent, *service))).await);
    }
    Ok(Health { id, healthy: checks.iter().all(|check| check.ok), checks })
}

/// As [`of`], of several agents at once.
///
/// # Errors
/// As [`of`].
pub async fn of_all(paths: &Paths, ids: &[AgentId]) -> Result<Vec<Health>> {
    try_join_all(ids.iter().map(|id| of(paths, *id))).await
}

async fn ask(paths: &Paths, infra: &InfraClaim, agent: &Agent, service: Service) -> Check {
    let id = agent.record.id;
    let name = service.name();
    match service {
        Service::Postgres => {
            let login = Login {
                host: HOST.to_owned(),
                port: infra.ports.postgres,
                database: id.database(),
                user: id.database(),
                password: agent.record.secrets.postgres.clone(),
            };
            check(name, async move {
                let session = Session::open(&login).await.map_err(chain)?;
                session.run("ask whether the database answers", "SELECT 1").await.map_err(chain)?;
                session.close().await.map_err(chain)?;
                Ok(format!("database {} answers as its role", login.database))
            })
            .await
        }
        Service::S3 => check(name, async move { bucket(paths, infra.ports.s3, id).await }).await,
        Service::Mail => check(name, async move { mail(infra.ports.mail, agent).await }).await,
        Service::Browser => {
            let url = format!("http://{}/json/version", setup::address(infra.ports.browser));
            check(name, async move { http(&url).await }).await
        }
    }
}

/// A signed request for the agent's own bucket.
async fn bucket(paths: &Paths, port: u16, id: AgentId) -> std::result::Result<String, String> {
    match (Buckets { paths, port }).inspect(&id.into()).await.map_err(chain)? {
        BucketState::Ready => Ok(format!("bucket {} answers with its key", id.name())),
        BucketState::Partial => Err(format!("bucket {} is not whole", id.name())),
        BucketState::Absent => Err(format!("there is no bucket {}", id.name())),
    }
}

/// The agent's own mailbox, asked with its login.
async fn mail(port: u16, agent: &Agent) -> std::result::Result<String, String> {
    let (name, secrets) = (agent.record.id.name(), &agent.record.secrets);
    let url = format!("http://{}/api/v1/messages?limit=1", setup::address(port));
    let request = reqwest::Client::new().get(&url).timeout(probe::LIMIT).basic_auth(&name, Some(secrets.mail.expose()));
    let answer = request.send().await.map_err(|error| format!("{url}: {error}"))?;
    match answer.status() {
        status if status.is_success() => Ok(format!("mailbox {name} answers with its login")),
        status => Err(format!("{url} answers {status}")),
    }
}

async fn http(url: &str) -> std::result::Result<String, String> {
    let answer = probe::http(url, probe::LIMIT).await.map_err(|error| format!("{url}: {error}"))?;
    Ok(format!("{url} answers {}", answer.status))
}

async fn check(name: &str, question: impl Future<Output = std::result::Result<String, String>>) -> Check {
    let begun = Instant::now();
    let (ok, detail) = match question.await {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Check { name: name.to_owned(), ok, detail, took_ms }
}

fn chain(error: impl crate::error::Diagnose) -> String {
    crate::error::Error::from(error).chain()
}

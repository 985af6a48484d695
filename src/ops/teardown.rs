//! `teardown`: undoes every step of launch, derived from the id alone, and looks that nothing is left.
//!
//! It works with a lost record and after a launch that was cut off anywhere. What is not there is no error; what
//! cannot be removed is one, and the registry keeps the id until all is gone.

use std::cell::RefCell;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    OpsError,
    run::{self, Work},
    session, setup,
    verify::guard,
    worktree::{Doomed, Removed},
};
use crate::{
    config::{environment::Environment, locate, paths::Paths},
    error::{Error, Result},
    infra::{embedded::postgres::existing_major, postgres::Session},
    model::{id::AgentId, manifest::Service, stack::StackName},
    output::progress::Progress,
    resource::{
        bucket::Buckets,
        database,
        env_file::{self, EnvFileError},
        mailbox,
    },
    store::{
        journal::Journal,
        lock::{Lock, PATIENCE},
        registry::{AgentClaim, InfraClaim, Registry},
    },
    supervisor::builtin::Builtin,
};

/// What a teardown is told.
#[derive(Clone, Copy, Debug)]
pub struct Orders<'a> {
    /// State and cache.
    pub paths: &'a Paths,
    /// The environment that git is run in.
    pub environment: &'a Environment,
    /// Uncommitted work in a worktree may be lost.
    pub force: bool,
}

/// What was removed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The agent.
    pub id: AgentId,
    /// What was there and is gone.
    pub removed: Vec<String>,
    /// Branches that were kept because their commits are nowhere else.
    pub kept_branches: Vec<String>,
    /// Milliseconds of each step, in the order in which they were done.
    #[schemars(with = "std::collections::BTreeMap<String, u64>")]
    pub steps: IndexMap<String, u64>,
    /// Milliseconds of `DROP DATABASE`, which the step `database` contains.
    pub drop_database_ms: u64,
}

impl Report {
    fn nothing(id: AgentId) -> Self {
        Self { id, removed: Vec::new(), kept_branches: Vec::new(), steps: IndexMap::new(), drop_database_ms: 0 }
    }
}

/// Tears agent `id` down.
///
/// # Errors
/// When its worktree holds work that would be lost (then nothing is touched), or something of it cannot be removed or
/// is still there afterwards.
pub async fn teardown(orders: Orders<'_>, id: AgentId, progress: &Progress) -> Result<Report> {
    let paths = orders.paths;
    let registry = Registry::read(&paths.registry())?;
    let claim = registry.agents().get(&id).cloned();
    let known = claim.is_some()
        || Doomed::find(orders, id, claim.as_ref())?.is_some()
        || paths.agent(id).exists()
        || paths.stack(StackName::Agent(id)).path().exists();
    let Some(infra) = registry.infra().cloned() else {
        // Without infra nothing but files and processes can be there.
        return if known { remove(orders, id, claim, None, progress).await } else { Ok(Report::nothing(id)) };
    };
    remove(orders, id, claim, Some(infra), progress).await
}

/// Tears all agents of this user down, at once.
///
/// # Errors
/// When the registry cannot be read. What went wrong with single agents stands beside the reports of the others.
pub async fn all(orders: Orders<'_>, progress: &Progress) -> Result<(Vec<Report>, Vec<(AgentId, Error)>)> {
    let registry = Registry::read(&orders.paths.registry())?;
    let ids: Vec<AgentId> = registry.agents().keys().copied().collect();
    let each = ids.into_iter().map(|id| async move {
        teardown(orders, id, &progress.of(format_args!("agent {id}"))).await.map_err(|error| (id, error))
    });
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for result in futures_util::future::join_all(each).await {
        match result {
            Ok(report) => reports.push(report),
            Err(failure) => failures.push(failure),
        }
    }
    Ok((reports, failures))
}

async fn remove(
    orders: Orders<'_>,
    id: AgentId,
    claim: Option<AgentClaim>,
    infra: Option<InfraClaim>,
    progress: &Progress,
) -> Result<Report> {
    let paths = orders.paths;
    fs_err::create_dir_all(paths.locks()).map_err(|source| OpsError::File {
        act: "make",
        path: paths.locks(),
        source,
    })?;
    let lock = Lock::acquire(&paths.locks(), &id.name(), &format!("teardown {id}"), PATIENCE).await?;
    let worktree = Doomed::find(orders, id, claim.as_ref())?;
    if let Some(worktree) = &worktree {
        worktree.check(orders.force).await?;
    }
    let report = RefCell::new(Report::nothing(id));
    let undo = Undo { paths, id, claim, infra, progress, report, worktree, force: orders.force };
    let mut journal = Journal::open(&paths.journal(id))?;
    let times = undo.work().run("teardown", &mut journal, progress).await?;
    drop(journal);
    undo.record().await?;
    lock.remove()?;
    Ok(Report { steps: run::by_name(times), ..undo.report.into_inner() })
}

struct Undo<'a> {
    paths: &'a Paths,
    id: AgentId,
    claim: Option<AgentClaim>,
    infra: Option<InfraClaim>,
    progress: &'a Progress,
    report: RefCell<Report>,
    worktree: Option<Doomed>,
    force: bool,
}

impl Undo<'_> {
    fn work(&self) -> Work<'_> {
        let mut work = Work::new();
        let none: [&str; 0] = [];
        work.step("session", none, || self.session());
        // What uses everything else goes first.
        work.step("processes", none, || self.processes());
        let first = ["session", "processes"];
        let uses = |service| self.infra.as_ref().is_some_and(|infra| infra.services.contains(&service));
        if uses(Service::Postgres) {
            work.step("database", first, || self.database());
        }
        if uses(Service::S3) {
            work.step("bucket", first, || self.bucket());
        }
        if uses(Service::Mail) {
            work.step("mailbox", first, || self.mailbox());
        }
        work.step("env file", first, || async { self.env_file() });
        if let Some(worktree) = &self.worktree {
            work.step("worktree", ["env file"], || self.worktree(worktree));
        }
        work
    }

    fn gone(&self, what: impl Into<String>) {
        self.report.borrow_mut().removed.push(what.into());
    }

    async fn session(&self) -> Result<()> {
        if session::end(self.paths, self.id).await? {
            self.gone(format!("session {}", self.id.name()));
        }
        Ok(())
    }

    async fn processes(&self) -> Result<()> {
        let stack = StackName::Agent(self.id);
        let was_there = self.paths.stack(stack).path().exists();
        Builtin::new(self.paths).remove(stack).await?;
        // What a `verify` left that was killed together with its guard.
        let verify = self.paths.verify(self.id);
        if verify.exists() {
            guard::end_leftovers(verify.as_str()).await?;
        }
        if was_there {
            self.gone("processes and logs");
        }
        Ok(())
    }

    async fn worktree(&self, worktree: &Doomed) -> Result<()> {
        // A process may have written something at its end.
        worktree.check(self.force).await?;
        let Removed { what, kept } = worktree.clone().remove().await?;
        self.report.borrow_mut().kept_branches.extend(kept);
        for what in what {
            self.gone(what);
        }
        Ok(())
    }

    async fn database(&self) -> Result<()> {
        let Some(infra) = &self.infra else { return Ok(()) };
        // A setup that was cut off before it made a cluster: nothing can be in one.
        if existing_major(self.paths)?.is_none() {
            return Ok(());
        }
        let server = setup::running_server(self.paths, infra, self.progress).await?;
        let admin = Session::maintenance(&server).await?;
        let removed = database::remove(&admin, self.id).await?;
        self.report.borrow_mut().drop_database_ms = run::millis(removed.drop);
        if removed.database {
            self.gone(format!("database {}", self.id.database()));
        }
        if removed.role {
            self.gone(format!("role {}", self.id.database()));
        }
        admin.close().await?;
        Ok(())
    }

    async fn bucket(&self) -> Result<()> {
        let Some(infra) = &self.infra else { return Ok(()) };
        let buckets = Buckets { paths: self.paths, port: infra.ports.s3 };
        let was_there = buckets.credentials(&self.id.into()).is_some();
        buckets.remove(&self.id.into()).await?;
        if was_there {
            self.gone(format!("bucket and key {}", self.id.name()));
        }
        Ok(())
    }

    async fn mailbox(&self) -> Result<()> {
        let was_there = mailbox::inspect(self.paths, &self.id.name()).await?.is_some();
        mailbox::remove(self.paths, &self.id.name()).await?;
        if was_there {
            self.gone(format!("mailbox {}", self.id.name()));
        }
        Ok(())
    }

    fn env_file(&self) -> Result<()> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let path = env_file::path(&claim.workdir, self.id);
        let was_there = path.exists();
        env_file::remove(&claim.workdir, self.id)?;
        if was_there {
            self.gone(path);
        }
        Ok(())
    }

    /// The record and the registry's line, last: until then the next teardown knows where to look.
    async fn record(&self) -> Result<()> {
        remove_directory(&self.paths.agent(self.id))?;
        let mut excluded = Ok(());
        let release = |registry: &mut Registry| {
            registry.release(self.id);
            // Under the registry's lock: a launch claims its id before it has git ignore our files.
            excluded = self.forget_excluded(registry);
            Ok(())
        };
        Registry::change(&self.paths.registry(), &self.paths.locks(), "teardown", release).await?;
        excluded?;
        let left: Vec<Utf8PathBuf> =
            [self.paths.agent(self.id), self.paths.stack(StackName::Agent(self.id)).path().to_owned()]
                .into_iter()
                .filter(|path| path.exists())
                .collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(OpsError::LeftOver { id: self.id, what: left.iter().map(ToString::to_string).collect() }.into())
    }
}

impl Undo<'_> {
    /// With the last agent of a project git need not ignore our files any more, unless there is one of the user's own.
    fn forget_excluded(&self, registry: &Registry) -> Result<(), EnvFileError> {
        let Some(claim) = &self.claim else { return Ok(()) };
        if registry.agents().values().any(|other| other.project == claim.project) {
            return Ok(());
        }
        // A project that is gone has nothing to forget.
        let Ok(project) = locate::project(&claim.project) else { return Ok(()) };
        if project.root.join("agent-harness/harness.local.toml").exists() {
            return Ok(());
        }
        env_file::remove_excluded(&project.common_dir)
    }
}

fn remove_directory(path: &Utf8Path) -> Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(OpsError::File { act: "remove", path: path.to_owned(), source }.into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

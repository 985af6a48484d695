//! `launch`: every step is ensured, those that do not need each other at once; the last one is the proof.

use std::{
    cell::{OnceCell, RefCell},
    str::FromStr,
    time::Duration,
};

use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    OpsError, context, evidence, prepare,
    project::Project,
    proof, require,
    run::{self, Work},
    setup,
    setup::Infra,
    status, template,
};
use crate::{
    config::text::{self, AfterCloneAct, Context},
    error::Result,
    model::{
        id::{AgentId, InvalidAgentId},
        manifest::Service,
        ports,
        stack::{ProcessSpec, StackName, StackSpec},
        status::{ProcessState, ProcessStatus},
    },
    output::progress::Progress,
    process::cmd::Cmd,
    resource::{
        bucket::Buckets,
        database, env_file, mailbox,
        ports::{self as port_check, Needed},
        template::Ensured,
    },
    store::{
        journal::Journal,
        lock::{Lock, PATIENCE},
        record::{self, AgentRecord, AgentSecrets},
        registry::Registry,
    },
    supervisor::builtin::Builtin,
    wire::protocol::Until,
};

/// Which id to launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    Id(AgentId),
    /// The lowest that is free and whose ports can be used.
    Next,
}

impl FromStr for Choice {
    type Err = InvalidAgentId;

    fn from_str(text: &str) -> Result<Self, InvalidAgentId> {
        if text == "next" { Ok(Self::Next) } else { text.parse().map(Self::Id) }
    }
}

/// What a launch can be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Record the launching shell's environment anew.
    pub refresh_env: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The agent.
    pub id: AgentId,
    /// What was done.
    pub outcome: Outcome,
    /// Its pages by name.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub urls: IndexMap<String, String>,
}

/// What a launch did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The agent was brought up and proven healthy.
    Launched {
        /// Milliseconds of each step, in the order in which they were done.
        #[schemars(with = "std::collections::BTreeMap<String, u64>")]
        steps: IndexMap<String, u64>,
        /// Milliseconds of `CREATE DATABASE`, which the step `database` contains; none when it was there already.
        create_database_ms: Option<u64>,
    },
    /// It ran already; nothing was changed.
    Unchanged {
        /// What moved on since its launch, each with the command that brings it up.
        moved_on: Vec<String>,
    },
}

/// Launches the agent of `choice`.
///
/// # Errors
/// When its ports cannot be used or are taken, or a step fails. What was done is kept; the same command goes on.
pub async fn launch(project: &Project, choice: Choice, options: Options, progress: &Progress) -> Result<Report> {
    let id = claim(project, choice).await?;
    let paths = &project.paths;
    let _lock = Lock::acquire(&paths.locks(), &id.name(), &format!("launch {id}"), PATIENCE).await?;
    let previous = AgentRecord::read(&paths.record(id))?;
    if let Some(record) = previous.clone().filter(|_| !options.refresh_env)
        && let Some(report) = running(project, record, progress).await?
    {
        return Ok(report);
    }
    let was_healthy = previous.as_ref().is_none_or(|record| record.healthy);
    let record = begin(project, id, previous, options)?;
    record.write(&paths.record(id))?;
    let mut journal = Journal::open(&paths.journal(id))?;
    let (infra, template, created) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
    let launch = Launch { project, id, progress, was_healthy, infra, template, created, record: RefCell::new(record) };
    let times = launch.work().run("launch", &mut journal, progress).await?;
    let created = launch.created.get().copied();
    let mut record = launch.record.into_inner();
    record.healthy = true;
    record.write(&paths.record(id))?;
    journal.clear()?;
    let urls = record.urls;
    let create_database_ms = created.map(run::millis);
    Ok(Report { id, outcome: Outcome::Launched { steps: run::by_name(times), create_database_ms }, urls })
}

/// Makes the id this project's, after its ports were found usable.
async fn claim(project: &Project, choice: Choice) -> Result<AgentId> {
    let settings = &project.settings;
    let usable = |id| ports::of_agent(&settings.manifest, &settings.infra_ports, id);
    if let Choice::Id(id) = choice {
        usable(id)?;
    }
    let claim = |registry: &mut Registry| {
        let id = match choice {
            Choice::Id(id) => id,
            Choice::Next => registry.next_free(|id| usable(id).is_ok())?,
        };
        registry.claim(id, &settings.project_root, &settings.workdir)?;
        Ok(id)
    };
    Ok(Registry::change(&project.paths.registry(), &project.paths.locks(), "launch", claim).await?)
}

/// The report of an agent that runs as it should; `None` when there is something to do. Services that were stopped are
/// started again, which leaves the agent as it is.
async fn running(project: &Project, record: AgentRecord, progress: &Progress) -> Result<Option<Report>> {
    let id = record.id;
    let Some(stack) = status::stack(&project.paths, StackName::Agent(id)).await? else { return Ok(None) };
    if status::Overall::of(&stack.processes) != status::Overall::Running || !record.healthy {
        return Ok(None);
    }
    setup::infra(project, progress).await?;
    let mut moved_on = Vec::new();
    let wanted = specification(project, &record)?;
    let is = Builtin::new(&project.paths).specification(StackName::Agent(id))?;
    for process in wanted.processes.iter().filter(|process| !is.processes.contains(process)) {
        moved_on.push(format!("the manifest changed for {}: agent-harness launch {id} --refresh-env", process.name));
    }
    for process in is.processes.iter().filter(|is| !wanted.processes.iter().any(|process| process.name == is.name)) {
        moved_on
            .push(format!("the manifest has no {} any more: agent-harness launch {id} --refresh-env", process.name));
    }
    Ok(Some(Report { id, outcome: Outcome::Unchanged { moved_on }, urls: record.urls }))
}

/// The record to launch by: a new one, or the previous one with today's manifest.
fn begin(project: &Project, id: AgentId, previous: Option<AgentRecord>, options: Options) -> Result<AgentRecord> {
    let settings = &project.settings;
    let (secrets, created, base_env) = match previous {
        Some(previous) => (previous.secrets, previous.created, previous.base_env),
        None => (AgentSecrets::new()?, Timestamp::now(), project.base_env.clone()),
    };
    let base_env = if options.refresh_env { project.base_env.clone() } else { base_env };
    let ports = ports::of_agent(&settings.manifest, &settings.infra_ports, id)?;
    Ok(AgentRecord {
        version: record::VERSION,
        id,
        project_root: settings.project_root.clone(),
        manifest_path: settings.manifest_path.clone(),
        workdir: settings.workdir.clone(),
        created,
        template: None,
        healthy: false,
        base_env,
        env: IndexMap::new(),
        urls: IndexMap::new(),
        services: settings.services.iter().copied().collect(),
        ports,
        secrets,
    })
}

/// The stack of an agent, as manifest and record want it.
fn specification(project: &Project, record: &AgentRecord) -> Result<StackSpec> {
    let settings = &project.settings;
    let values = context::of_agent(settings, record.id, &record.workdir, &record.ports, &record.secrets);
    let resolve = |process| text::resolve_process(&settings.manifest, process, &values, &record.base_env);
    let processes: Vec<ProcessSpec> =
        settings.manifest.process.iter().map(resolve).collect::<std::result::Result<_, _>>()?;
    Ok(StackSpec { name: StackName::Agent(record.id), processes })
}

/// What the steps of one launch share.
struct Launch<'a> {
    project: &'a Project,
    id: AgentId,
    progress: &'a Progress,
    /// Whether the launch before came to its end; also when there was none.
    was_healthy: bool,
    /// Grows while the steps run; no step holds it across an await.
    record: RefCell<AgentRecord>,
    infra: OnceCell<Infra>,
    template: OnceCell<Option<Ensured>>,
    /// Time of `CREATE DATABASE`.
    created: OnceCell<Duration>,
}

impl Launch<'_> {
    fn work(&self) -> Work<'_> {
        let mut work = Work::new();
        let none: [&str; 0] = [];
        let uses = |service| self.project.settings.services.contains(&service);
        work.step("requirements", none, || self.requirements());
        work.step("ports", none, || self.ports());
        work.step("infra", ["requirements"], || self.infra());
        work.step("prepare", ["requirements"], || self.prepare());
        let mut before = vec!["ports", "prepare", "env file"];
        let mut before_env = vec!["infra"];
        if uses(Service::S3) {
            work.step("bucket", ["infra"], || self.bucket());
            before_env.push("bucket");
        }
        if uses(Service::Mail) {
            work.step("mailbox", ["infra"], || self.mailbox());
            before_env.push("mailbox");
        }
        work.step("env file", before_env, || self.env_file());
        if uses(Service::Postgres) {
            work.step("template", ["infra", "prepare"], || self.template());
            work.step("database", ["template"], || self.database());
            work.step("after clone", ["database", "env file"], || self.after_clone());
            before.push("after clone");
        }
        work.step("processes", before, || self.processes());
        work.step("proof", ["processes"], || self.proof());
        work
    }

    /// The infra, which every step after `infra` has.
    fn up(&self) -> &Infra {
        self.infra.get().expect("the step `infra` comes first")
    }

    fn record(&self) -> AgentRecord {
        self.record.borrow().clone()
    }

    fn values(&self) -> Context {
        let record = self.record.borrow();
        context::of_agent(&self.project.settings, self.id, &record.workdir, &record.ports, &record.secrets)
    }

    async fn requirements(&self) -> Result<()> {
        let settings = &self.project.settings;
        require::check(&settings.manifest.require, &self.record().base_env, &settings.workdir).await
    }

    async fn ports(&self) -> Result<()> {
        // What the stack itself runs after a launch that was cut off is no stranger.
        let own = match Builtin::new(&self.project.paths).resume(StackName::Agent(self.id)).await? {
            Some(mut client) => client.members().await?.into_iter().flat_map(|process| process.pids).collect(),
            None => std::collections::BTreeSet::new(),
        };
        let needed = |(name, port): (String, u16)| Needed { what: format!("`{name}` of agent {}", self.id), port };
        let needed: Vec<Needed> = self.record().ports.into_iter().map(needed).collect();
        Ok(port_check::check_free(&needed, &own)?)
    }

    async fn infra(&self) -> Result<()> {
        let infra = setup::infra(self.project, self.progress).await?;
        self.infra.set(infra).map_err(drop).expect("the step runs once");
        Ok(())
    }

    async fn prepare(&self) -> Result<()> {
        prepare::prepare(self.project, &self.record().workdir, self.progress).await.map(drop)
    }

    async fn template(&self) -> Result<()> {
        let template = template::ensure(self.project, self.up(), false, self.progress).await?;
        self.record.borrow_mut().template =
            template.as_ref().map(|ensured| ensured.template.record.fingerprint.clone());
        self.template.set(template).map_err(drop).expect("the step runs once");
        Ok(())
    }

    async fn database(&self) -> Result<()> {
        let (Some(postgres), Some(Some(template))) = (&self.up().postgres, self.template.get()) else { return Ok(()) };
        let admin = crate::infra::postgres::Session::maintenance(&postgres.server).await?;
        database::ensure_role(&admin, self.id, &self.record().secrets.postgres).await?;
        let (server, costs) = (&postgres.server, &postgres.costs);
        let cloned = database::clone(server, &admin, self.id, &template.template.database, costs).await?;
        if let database::Cloned::Made { create, hand_over } = cloned {
            self.created.set(create).expect("the step runs once");
            let (create, hand_over) = (create.as_secs_f32(), hand_over.as_secs_f32());
            self.progress.tell(format_args!("     create database {create:.2} s, hand-over {hand_over:.2} s"));
        }
        admin.close().await?;
        Ok(())
    }

    async fn bucket(&self) -> Result<()> {
        let settings = &self.project.settings;
        let (port, days) = (settings.infra_ports.s3, settings.manifest.infra.s3_expire_days);
        let buckets = Buckets { paths: &self.project.paths, port };
        let credentials = buckets.ensure(&self.id.into(), days).await?;
        self.record.borrow_mut().secrets.s3 = credentials.secret;
        Ok(())
    }

    async fn mailbox(&self) -> Result<()> {
        let credentials = mailbox::ensure(&self.project.paths, &self.id.name()).await?;
        self.record.borrow_mut().secrets.mail = credentials.password;
        Ok(())
    }

    async fn env_file(&self) -> Result<()> {
        let (manifest, values) = (&self.project.settings.manifest, self.values());
        let mut record = self.record();
        record.env = text::resolve_env(manifest, &values)?;
        record.urls = text::resolve_urls(manifest, &values)?;
        env_file::ensure_excluded(&self.project.settings.common_dir)?;
        env_file::ensure(&record.workdir, self.id, &record.env)?;
        record.write(&self.project.paths.record(self.id))?;
        *self.record.borrow_mut() = record;
        Ok(())
    }

    /// SQL steps that stand together run in one transaction; order is kept.
    async fn after_clone(&self) -> Result<()> {
        let Some(postgres) = &self.up().postgres else { return Ok(()) };
        let manifest = &self.project.settings.manifest;
        let record = self.record();
        let login = postgres.server.login(&self.id.database(), &self.id.database(), &record.secrets.postgres);
        let values = self.values();
        let mut sql = Vec::new();
        for step in &manifest.template.after_clone {
            match text::resolve_after_clone(manifest, step, &values, &record.base_env)? {
                AfterCloneAct::Sql(statements) => sql.push((step.name.clone(), statements)),
                AfterCloneAct::Run(command) => {
                    database::after_clone(&login, &std::mem::take(&mut sql)).await?;
                    let [program, args @ ..] = &command.argv[..] else { continue };
                    let output = Cmd::new(program).args(args).cwd(&command.cwd).envs(&command.env).output().await;
                    output.map_err(|source| OpsError::AfterClone { step: step.name.clone(), source })?;
                }
            }
        }
        Ok(database::after_clone(&login, &sql).await?)
    }

    async fn processes(&self) -> Result<()> {
        let spec = specification(self.project, &self.record())?;
        let builtin = Builtin::new(&self.project.paths);
        let again = self.to_restart(&builtin, &spec).await?;
        let mut client = builtin.ensure(&spec).await?;
        if !again.is_empty() {
            client.restart(&again, Until::Started).await?;
        }
        let status = client.start(&[], Until::Settled).await?;
        let wanted = |name: &str| spec.processes.iter().any(|process| process.name == name && process.autostart);
        let bad = status.processes.iter().find(|is| wanted(&is.name) && is.state != ProcessState::Ready);
        match bad {
            Some(process) => Err(evidence::unhealthy(&self.project.paths, self.id, process).into()),
            None => Ok(()),
        }
    }

    /// What an earlier launch left running and not well, or not proven: what made it so may have been corrected since.
    async fn to_restart(&self, builtin: &Builtin, spec: &StackSpec) -> Result<Vec<String>> {
        let Some(mut client) = builtin.resume(spec.name).await? else { return Ok(Vec::new()) };
        let unwell = |is: &ProcessStatus| match is.state {
            ProcessState::Unready | ProcessState::Failed | ProcessState::BackOff => true,
            ProcessState::Ready => !self.was_healthy,
            ProcessState::Waiting | ProcessState::Starting | ProcessState::Stopping | ProcessState::Stopped => false,
        };
        let is_wanted = |name: &str| spec.processes.iter().any(|process| process.name == name);
        let processes = client.status().await?.processes;
        Ok(processes.into_iter().filter(|is| unwell(is) && is_wanted(&is.name)).map(|is| is.name).collect())
    }

    async fn proof(&self) -> Result<()> {
        let mut client = Builtin::new(&self.project.paths)
            .resume(StackName::Agent(self.id))
            .await?
            .ok_or(OpsError::NotLaunched(self.id))?;
        let members = client.members().await?;
        let record = self.record();
        // Nobody listens for a process that is started on demand only.
        let all_run = self.project.settings.manifest.process.iter().all(|process| process.enabled);
        proof::ports_belong(&record.ports, &members, all_run)?;
        proof::urls_answer(&record.urls).await
    }
}

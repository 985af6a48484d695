//! The steps of a launch and how they depend on each other.

use std::{
    cell::{OnceCell, RefCell},
    time::Duration,
};

use camino::Utf8Path;

use super::standing;
use crate::{
    config::text::{self, AfterCloneAct, Context},
    error::Result,
    infra::postgres::Session,
    model::{
        id::AgentId,
        manifest::Service,
        stack::{StackName, StackSpec},
        status::{ProcessState, ProcessStatus},
        worktree::BranchName,
    },
    ops::{
        OpsError, context, evidence, prepare,
        project::Project,
        proof, require,
        run::Work,
        setup::{self, Infra},
        template,
        worktree::{self, Home},
    },
    output::progress::Progress,
    process::cmd::Cmd,
    resource::{
        bucket::Buckets,
        database, env_file, mailbox,
        ports::{self as port_check, Needed},
        template::Ensured,
    },
    store::record::AgentRecord,
    supervisor::builtin::Builtin,
    wire::protocol::Until,
};

/// What the steps of one launch share.
pub(super) struct Launch<'a> {
    project: &'a Project,
    id: AgentId,
    progress: &'a Progress,
    /// Whether the launch before came to its end; also when there was none.
    was_healthy: bool,
    home: Home,
    /// Grows while the steps run; no step holds it across an await.
    record: RefCell<AgentRecord>,
    infra: OnceCell<Infra>,
    template: OnceCell<Option<Ensured>>,
    /// Time of `CREATE DATABASE`.
    created: OnceCell<Duration>,
}

impl<'a> Launch<'a> {
    pub(super) fn new(
        project: &'a Project,
        progress: &'a Progress,
        record: AgentRecord,
        was_healthy: bool,
        home: Home,
    ) -> Self {
        let (infra, template, created) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        let (id, record) = (record.id, RefCell::new(record));
        Self { project, id, progress, was_healthy, home, record, infra, template, created }
    }

    /// The record as the steps left it, and the time of `CREATE DATABASE` if there was one.
    pub(super) fn finish(self) -> (AgentRecord, Option<Duration>) {
        (self.record.into_inner(), self.created.get().copied())
    }
}

impl Launch<'_> {
    pub(super) fn work(&self) -> Work<'_> {
        let mut work = Work::new();
        let none: [&str; 0] = [];
        let uses = |service| self.project.settings.services.contains(&service);
        work.step("requirements", none, || self.requirements());
        work.step("ports", none, || self.ports());
        work.step("infra", none, || self.infra());
        let mut before = vec!["requirements", "ports", "prepare", "env file"];
        let mut before_env = vec!["infra"];
        let mut before_prepare = Vec::new();
        if let Home::Worktree { dir, branch } = &self.home {
            work.step("worktree", none, || self.worktree(dir, branch.as_ref()));
            before_prepare.push("worktree");
            before_env.push("worktree");
        }
        work.step("prepare", before_prepare, || self.prepare());
        if uses(Service::S3) {
            work.step("bucket", ["infra"], || self.bucket());
            before_env.push("bucket");
        }
        if uses(Service::Mail) {
            work.step("mailbox", ["infra"], || self.mailbox());
            before_env.push("mailbox");
        }
        work.step("env file", before_env, || async { self.env_file() });
        if uses(Service::Postgres) {
            work.step("template", ["infra", "prepare"], || self.template());
            work.step("database", ["template"], || self.database());
            work.step("after clone", ["requirements", "database", "env file"], || self.after_clone());
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

    /// In the environment that the processes will have: an agent of before may have another than this shell's. Steps
    /// that are about to make something with this shell's wait for that one.
    async fn requirements(&self) -> Result<()> {
        let (settings, env) = (&self.project.settings, self.record().base_env);
        if env == self.project.base_env {
            return self.project.requirements().await;
        }
        require::check(&settings.manifest.require, &env, &settings.project_root).await
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

    async fn worktree(&self, dir: &Utf8Path, branch: Option<&BranchName>) -> Result<()> {
        let ports = self.record().ports;
        worktree::ensure(self.project, self.id, &ports, dir, branch, self.progress).await
    }

    async fn prepare(&self) -> Result<()> {
        prepare::prepare(self.project, &self.record().workdir, self.progress).await.map(drop)
    }

    async fn template(&self) -> Result<()> {
        // The template is the project's: it is built from the project's own checkout, which may not be prepared.
        let root = &self.project.settings.project_root;
        if self.home.dir() != root && template::is_behind(self.project, self.up()).await? {
            prepare::prepare(self.project, root, self.progress).await?;
        }
        let template = template::ensure(self.project, self.up(), false, self.progress).await?;
        self.record.borrow_mut().template =
            template.as_ref().map(|ensured| ensured.template.record.fingerprint.clone());
        self.template.set(template).map_err(drop).expect("the step runs once");
        Ok(())
    }

    async fn database(&self) -> Result<()> {
        let (Some(postgres), Some(Some(template))) = (&self.up().postgres, self.template.get()) else { return Ok(()) };
        let admin = Session::maintenance(&postgres.server).await?;
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

    fn env_file(&self) -> Result<()> {
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
        let spec = standing::specification(self.project, &self.record())?;
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
        let Some(status) = builtin.status(spec.name).await? else { return Ok(Vec::new()) };
        let unwell = |is: &ProcessStatus| match is.state {
            ProcessState::Unready | ProcessState::Failed | ProcessState::BackOff => true,
            ProcessState::Ready => !self.was_healthy,
            ProcessState::Waiting | ProcessState::Starting | ProcessState::Stopping | ProcessState::Stopped => false,
        };
        let is_wanted = |name: &str| spec.processes.iter().any(|process| process.name == name);
        Ok(status.processes.into_iter().filter(|is| unwell(is) && is_wanted(&is.name)).map(|is| is.name).collect())
    }

    async fn proof(&self) -> Result<()> {
        let mut client = Builtin::new(&self.project.paths)
            .resume(StackName::Agent(self.id))
            .await?
            .ok_or(OpsError::NotLaunched(self.id))?;
        let record = self.record();
        // Nobody listens for a process that is started on demand only.
        let all_run = self.project.settings.manifest.process.iter().all(|process| process.enabled);
        proof::ports_belong(&mut client, &record.ports, all_run).await?;
        proof::urls_answer(&record.urls).await
    }
}

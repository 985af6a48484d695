//! The project's template: from the manifest's texts to a built database.

use indexmap::IndexMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    OpsError, context, prepare,
    project::Project,
    setup::{self, Infra, InfraRecord},
};
use crate::{
    config::{paths::Paths, text},
    error::Result,
    infra::postgres::Session,
    model::{
        layer::{self, Foundation, Recipe},
        manifest::{Manifest, Service, TemplateStep},
        secret::Secret,
    },
    output::progress::Progress,
    resource::{
        bucket::{BucketName, Buckets},
        mailbox,
        template::{self, Ensured, StepCommand, builder_login, list_inputs},
    },
    store::{record::AgentSecrets, registry::Registry},
};

/// Days after which what a template's steps wrote into their bucket is gone.
const SCRATCH_DAYS: u32 = 1;

/// Name of the finished template: the manifest's, else `<name>_template`.
#[must_use]
pub fn name(manifest: &Manifest) -> String {
    let default = || format!("{}_template", manifest.name.replace('-', "_"));
    manifest.template.database.clone().unwrap_or_else(default)
}

/// Makes the project's template, or brings it up to date. `None` when the app uses no database. The infra must run and
/// the workdir be prepared.
///
/// # Errors
/// When a step fails, naming its log; no template is changed then.
pub async fn ensure(project: &Project, infra: &Infra, rebuild: bool, progress: &Progress) -> Result<Option<Ensured>> {
    let settings = &project.settings;
    let Some(postgres) = &infra.postgres else { return Ok(None) };
    let manifest = &settings.manifest;
    let template = name(manifest);
    let login = builder_login(&postgres.server, &template);
    let secrets = secrets(project, login.password.clone()).await?;
    let values = context::of_template(settings, &login.database, &login.user, &secrets);
    let (mut recipes, mut commands) = (Vec::new(), Vec::new());
    for step in &manifest.template.step {
        recipes.push(recipe(manifest, step, &settings.project_root)?);
        let text::Command { argv, cwd, env, timeout } = text::resolve_step(manifest, step, &values, &project.base_env)?;
        commands.push(StepCommand { argv, cwd, env, timeout });
    }
    let logs = project.paths.template_logs(&template);
    fs_err::create_dir_all(&logs).map_err(|source| OpsError::File { act: "make", path: logs.clone(), source })?;
    let request = template::Request {
        server: &postgres.server,
        costs: &postgres.costs,
        template: &template,
        extensions: &manifest.infra.extensions,
        recipes: &recipes,
        commands: &commands,
        login: &login,
        logs,
        rebuild,
    };
    if let Some(template) = template::current(&request).await? {
        return Ok(Some(Ensured { template, built: 0 }));
    }
    project.requirements().await?;
    Ok(Some(template::ensure(&request, &mut |event| progress.tell(event)).await?))
}

/// The fingerprint that the project's template has when it is up to date; `None` when the app uses no database, or no
/// server was set up yet that could tell its version.
///
/// # Errors
/// When an input of a step cannot be read.
pub fn fingerprint(project: &Project) -> Result<Option<String>> {
    let settings = &project.settings;
    let Some(postgres) = InfraRecord::read(&project.paths)?.and_then(|record| record.postgres) else { return Ok(None) };
    if !settings.services.contains(&Service::Postgres) {
        return Ok(None);
    }
    let manifest = &settings.manifest;
    let steps = manifest.template.step.iter().map(|step| recipe(manifest, step, &settings.project_root));
    let recipes: Vec<Recipe> = steps.collect::<Result<_>>()?;
    let extensions = manifest.infra.extensions.clone();
    let foundation = Foundation { server_major: postgres.version.major, extensions };
    Ok(layer::chain(&foundation, &recipes).pop().map(|layer| layer.fingerprint))
}

/// Whether the project's template is not there, or is not what today's inputs make.
///
/// # Errors
/// When the server cannot be asked.
pub async fn is_behind(project: &Project, infra: &Infra) -> Result<bool> {
    let Some(postgres) = &infra.postgres else { return Ok(false) };
    // Inputs that are not there may be what preparing makes.
    let Ok(Some(wanted)) = fingerprint(project) else { return Ok(true) };
    let admin = Session::maintenance(&postgres.server).await?;
    let built = template::find(&admin, &name(&project.settings.manifest)).await?;
    admin.close().await?;
    Ok(built.is_none_or(|built| built.fingerprint != wanted))
}

/// Key and mailbox of steps that write objects or send mail while a template is built.
async fn secrets(project: &Project, postgres: Secret) -> Result<AgentSecrets> {
    let settings = &project.settings;
    let mut secrets = AgentSecrets::none();
    secrets.postgres = postgres;
    if settings.services.contains(&Service::S3) {
        let buckets = Buckets { paths: &project.paths, port: settings.infra_ports.s3 };
        secrets.s3 = buckets.ensure(&BucketName::new(context::TEMPLATE)?, SCRATCH_DAYS).await?.secret;
    }
    if settings.services.contains(&Service::Mail) {
        secrets.mail = mailbox::ensure(&project.paths, context::TEMPLATE).await?.password;
    }
    Ok(secrets)
}

/// A step as its fingerprint sees it. Of `[env]` the names count, and the texts that are the same for every agent: what
/// differs by agent can be no part of what all are cloned from.
fn recipe(manifest: &Manifest, step: &TemplateStep, workdir: &camino::Utf8Path) -> Result<Recipe> {
    let mut env: IndexMap<String, String> = manifest.env.clone();
    env.extend(step.env.clone());
    for text in env.values_mut().filter(|text| text.contains("{{")) {
        text.clear();
    }
    Ok(Recipe {
        name: step.name.clone(),
        run: step.run.clone(),
        cwd: step.cwd.clone().unwrap_or_default(),
        env: env.into_iter().collect(),
        forward: step.forward,
        inputs: list_inputs(workdir, &step.inputs)?,
    })
}

/// One layer of a template.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LayerRow {
    /// Name of the finished template.
    pub template: String,
    /// The last step that is in it.
    pub step: String,
    /// Its database.
    pub database: String,
    /// Size on disk.
    pub bytes: u64,
    /// When it was whole.
    #[schemars(with = "String")]
    pub built: Timestamp,
    /// How long its step took, in milliseconds.
    pub took_ms: u64,
    /// Fingerprint of all that went into it.
    pub fingerprint: String,
}

/// All layers of all templates; none when no infra was set up.
///
/// # Errors
/// When the server cannot be asked.
pub async fn list(paths: &Paths, progress: &Progress) -> Result<Vec<LayerRow>> {
    let registry = Registry::read(&paths.registry())?;
    let Some(claim) = registry.infra() else { return Ok(Vec::new()) };
    let server = setup::running_server(paths, claim, progress).await?;
    let admin = Session::maintenance(&server).await?;
    let rows = template::list(&admin).await?.into_iter().map(|built| LayerRow {
        template: built.record.template,
        step: built.record.name,
        database: built.database,
        bytes: built.bytes,
        built: built.record.built,
        took_ms: built.record.duration_ms,
        fingerprint: built.record.fingerprint,
    });
    let rows = rows.collect();
    admin.close().await?;
    Ok(rows)
}

/// Builds all layers of the project's template anew. Returns how many.
///
/// # Errors
/// When a step fails.
pub async fn rebuild(project: &Project, progress: &Progress) -> Result<usize> {
    let infra = setup::infra(project, progress).await?;
    prepare::prepare(project, &project.settings.project_root, progress).await?;
    Ok(ensure(project, &infra, true, progress).await?.map_or(0, |ensured| ensured.built))
}

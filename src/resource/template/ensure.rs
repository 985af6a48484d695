//! Brings a template up to date: decides by fingerprints, builds what is missing, drops what nobody needs.

use std::{
    fmt,
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;

use super::{
    StepCommand, TemplateError, builder,
    layer::{Site, dismiss, drop_database, leftover_name, make_room},
    records::{Built, building_name, check_name, list},
};
use crate::{
    infra::postgres::{Login, Server, Session, clone_cost::CloneCosts, identifier},
    model::layer::{self, Change, Foundation, Layer, LayerRecord, Recipe, Source},
};

/// A template as it should be.
#[derive(Debug)]
pub struct Request<'a> {
    /// The server.
    pub server: &'a Server,
    /// What cloning costs there.
    pub costs: &'a CloneCosts,
    /// Name of the finished template.
    pub template: &'a str,
    /// Extensions that the superuser creates.
    pub extensions: &'a [String],
    /// The steps, lowest first.
    pub recipes: &'a [Recipe],
    /// Their commands, in the same order, resolved for [`Self::login`].
    pub commands: &'a [StepCommand],
    /// What [`super::builder_login`] gave.
    pub login: &'a Login,
    /// Directory of the logs, `<step>.log` each; it must exist.
    pub logs: Utf8PathBuf,
    /// Build all layers anew, even those that are as they should be.
    pub rebuild: bool,
}

/// What [`ensure`] is doing, for the telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody else is building this template.
    Waiting,
    /// The template is there but not as it should be; the first difference.
    Outdated(Change),
    /// The command of a step begins.
    Step {
        /// The step.
        step: String,
        /// On top of which layer.
        on: Option<String>,
        /// Its output.
        log: Utf8PathBuf,
    },
    /// A layer is whole.
    Built {
        /// The layer.
        layer: String,
        /// How long it took.
        took: Duration,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("another command is building the template: waiting for it"),
            Self::Outdated(Change::Foundation) => f.write_str("the template is outdated: server or extensions changed"),
            Self::Outdated(Change::Steps) => f.write_str("the template is outdated: its steps changed"),
            Self::Outdated(Change::Recipe(step)) => {
                write!(f, "the template is outdated: command or environment of {step} changed")
            }
            Self::Outdated(Change::Input { step, path }) => {
                write!(f, "the template is outdated: {path} changed, an input of {step}")
            }
            Self::Step { step, on: None, log } => write!(f, "template: {step} (log: {log})"),
            Self::Step { step, on: Some(on), log } => write!(f, "template: {step} on top of {on} (log: {log})"),
            Self::Built { layer, took } => write!(f, "template: layer {layer} built in {:.1} s", took.as_secs_f32()),
        }
    }
}

/// The template as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// The finished template.
    pub template: Built,
    /// Layers that were built; none when the template was up to date.
    pub built: usize,
}

/// The template when it is as it should be and nothing is left over from a build; `None` when [`ensure`] has something
/// to do.
///
/// # Errors
/// When the server cannot say.
pub async fn current(request: &Request<'_>) -> Result<Option<Built>, TemplateError> {
    check_name(request.template)?;
    let admin = Session::maintenance(request.server).await?;
    let settled = settled(request, &admin).await;
    let closed = admin.close().await;
    let settled = settled?;
    closed?;
    Ok(settled)
}

async fn settled(request: &Request<'_>, admin: &Session) -> Result<Option<Built>, TemplateError> {
    let View { built, chain, builds } = View::of(request, admin).await?;
    let [building, old] = leftovers(request.template);
    let what = "look for what a build left over";
    let sql = "SELECT 1 FROM pg_database WHERE datname IN ($1, $2)";
    let is_clean = admin.row(what, sql, &[&building, &old]).await?.is_none();
    let superfluous = layer::superfluous(&chain, request.recipes, &records_of(&built));
    if !is_clean || !builds.is_empty() || !superfluous.is_empty() {
        return Ok(None);
    }
    let top = chain.last().expect("a chain has a layer");
    Ok(built.into_iter().find(|layer| layer.is_finished() && layer.record.fingerprint == top.fingerprint))
}

/// Databases that a build makes and does not keep.
fn leftovers(template: &str) -> [String; 2] {
    [building_name(template), leftover_name(template)]
}

/// Makes the template, or brings it up to date. Two at once build once: the second waits and finds it done.
///
/// # Errors
/// When a step fails (no template is changed then, and layers that were built are kept), an extension is missing, or
/// the server refuses.
pub async fn ensure(request: &Request<'_>, tell: &mut dyn FnMut(Event)) -> Result<Ensured, TemplateError> {
    check_name(request.template)?;
    let admin = Session::maintenance(request.server).await?;
    lock(&admin, request.template, tell).await?;
    let result = locked(request, &admin, tell).await;
    // The lock is the session's: it ends with it, however it ends.
    let closed = admin.close().await;
    let ensured = result?;
    closed?;
    Ok(ensured)
}

/// Drops all layers of `template` and its builder.
///
/// # Errors
/// When the server refuses: agents that were cloned do not matter, a build that is under way is waited for.
pub async fn remove(server: &Server, template: &str) -> Result<(), TemplateError> {
    check_name(template)?;
    let admin = Session::maintenance(server).await?;
    lock(&admin, template, &mut |_| {}).await?;
    for built in list(&admin).await?.iter().filter(|built| built.record.template == template) {
        drop_database(&admin, &built.database).await?;
    }
    for leftover in leftovers(template) {
        drop_database(&admin, &leftover).await?;
    }
    let role = builder::role_name(template);
    admin.run(&format!("drop the role {role}"), &format!("DROP ROLE IF EXISTS {}", identifier(&role))).await?;
    admin.close().await?;
    Ok(())
}

/// Takes the lock of `template`, which lasts as long as the session.
async fn lock(admin: &Session, template: &str, tell: &mut dyn FnMut(Event)) -> Result<(), TemplateError> {
    let what = "take the lock of the template";
    let name = format!("agent-harness template {template}");
    let sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
    let row = admin.row(what, sql, &[&name]).await?;
    if row.map_or(Ok(false), |row| admin.value::<bool>(what, &row, 0))? {
        return Ok(());
    }
    tell(Event::Waiting);
    let sql = format!("SELECT pg_advisory_lock(hashtextextended({}, 0))", crate::infra::postgres::literal(&name));
    admin.run_unlimited(what, &sql).await?;
    Ok(())
}

/// What is there, what should be, and what is to be built for that.
struct View {
    built: Vec<Built>,
    chain: Vec<Layer>,
    builds: Vec<layer::Build>,
}

impl View {
    async fn of(request: &Request<'_>, admin: &Session) -> Result<Self, TemplateError> {
        let built = own_layers(admin, request.template).await?;
        let foundation =
            Foundation { server_major: server_major(admin).await?, extensions: request.extensions.to_vec() };
        let chain = layer::chain(&foundation, request.recipes);
        let records = if request.rebuild { Vec::new() } else { records_of(&built) };
        let builds = layer::plan(&chain, request.recipes, &records);
        Ok(Self { built, chain, builds })
    }
}

async fn locked(request: &Request<'_>, admin: &Session, tell: &mut dyn FnMut(Event)) -> Result<Ensured, TemplateError> {
    let template = request.template;
    for leftover in leftovers(template) {
        drop_database(admin, &leftover).await?;
    }
    let View { mut built, chain, builds } = View::of(request, admin).await?;
    let top = chain.last().expect("a chain has a layer");
    if let Some(finished) = built.iter().find(|layer| layer.is_finished())
        && let Some(change) = layer::first_change(top, &finished.record)
    {
        tell(Event::Outdated(change));
    }
    if !builds.is_empty() {
        builder::admit(admin, request.login).await?;
        let site = Site { server: request.server, admin, template, login: request.login, costs: request.costs };
        let result = build_all(request, &site, &chain, &builds, &mut built, tell).await;
        let dismissed = dismiss(admin, template).await;
        result?;
        dismissed?;
    }
    let finished = finish(admin, template, top).await?;
    drop_database(admin, &leftover_name(template)).await?;
    let built = own_layers(admin, template).await?;
    for fingerprint in layer::superfluous(&chain, request.recipes, &records_of(&built)) {
        for old in built.iter().filter(|old| old.record.fingerprint == fingerprint) {
            drop_database(admin, &old.database).await?;
        }
    }
    Ok(Ensured { template: finished, built: builds.len() })
}

async fn build_all(
    request: &Request<'_>,
    site: &Site<'_>,
    chain: &[Layer],
    builds: &[layer::Build],
    built: &mut Vec<Built>,
    tell: &mut dyn FnMut(Event),
) -> Result<(), TemplateError> {
    for build in builds {
        let started = Instant::now();
        let layer = &chain[build.layer];
        let highest = build.layer + 1 == chain.len();
        let mut on = None;
        let mut from = None;
        match &build.source {
            Source::Nothing => site.start_from_nothing(request.extensions).await?,
            Source::Layer(fingerprint) => {
                // The newest of that fingerprint: a rebuild has just made one beside an old one.
                let source = built.iter().rev().find(|old| &old.record.fingerprint == fingerprint);
                let source = source.expect("a plan starts from a layer that exists");
                site.copy(&source.database).await?;
                on = Some(source.record.name.clone());
                from = Some(fingerprint.clone());
            }
        }
        for &index in &build.run {
            let step = &request.recipes[index].name;
            let log = request.logs.join(format!("{step}.log"));
            tell(Event::Step { step: step.clone(), on: on.clone(), log: log.clone() });
            site.run(step, &request.commands[index], &log).await?;
        }
        if highest {
            site.tidy().await?;
        }
        let whole = site.seal(layer, highest, from, started, built).await?;
        tell(Event::Built { layer: layer.name.clone(), took: started.elapsed() });
        *built = own_layers(site.admin, request.template).await?;
        // Last, so that it is found first above.
        built.retain(|old| old.database != whole.database);
        built.push(whole);
    }
    Ok(())
}

/// Gives the layer `top` the template's name if it has not got it: steps were taken away, and a lower layer of before
/// is the highest of today.
async fn finish(admin: &Session, template: &str, top: &Layer) -> Result<Built, TemplateError> {
    let built = own_layers(admin, template).await?;
    let right = |layer: &&Built| layer.record.fingerprint == top.fingerprint;
    if let Some(finished) = built.iter().filter(right).find(|layer| layer.is_finished()) {
        return Ok(finished.clone());
    }
    let layer = built.iter().find(right).expect("the highest layer was built or found");
    let sql = format!(
        "BEGIN; {} ALTER DATABASE {} RENAME TO {}; COMMIT",
        make_room(template, template, &top.fingerprint, &built),
        identifier(&layer.database),
        identifier(template)
    );
    admin.run(&format!("name the template {template}"), &sql).await?;
    Ok(Built { database: template.to_owned(), ..layer.clone() })
}

/// The whole layers of `template`. A database with its name that is none is somebody else's and an error.
async fn own_layers(admin: &Session, template: &str) -> Result<Vec<Built>, TemplateError> {
    let mut built = list(admin).await?;
    built.retain(|layer| layer.record.template == template);
    let what = format!("look up the database {template}");
    let exists = admin.row(&what, "SELECT 1 FROM pg_database WHERE datname = $1", &[&template]).await?.is_some();
    if exists && !built.iter().any(Built::is_finished) {
        return Err(TemplateError::Foreign { database: template.to_owned() });
    }
    Ok(built)
}

fn records_of(built: &[Built]) -> Vec<LayerRecord> {
    built.iter().map(|layer| layer.record.clone()).collect()
}

async fn server_major(admin: &Session) -> Result<u32, TemplateError> {
    let what = "read the server's version";
    let row = admin.row(what, "SELECT current_setting('server_version_num')::int4 / 10000", &[]).await?;
    let major = row.map_or(Ok(0), |row| admin.value::<i32>(what, &row, 0))?;
    Ok(major.unsigned_abs())
}

//! `init`: writes manifest, entry points and instructions into a checkout, and nothing over what a person wrote.

mod error;
mod files;
mod git;
mod guess;
mod look;
mod plan;
mod recognise;
mod record;
mod write;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

pub use self::{
    error::{InWay, InitError},
    plan::{Act, Others, Told},
};
use self::{files::Wanted, git::Git, record::Record};
use crate::{
    config::{
        locate::{self, MANIFEST, Project},
        manifest,
        profiles::{self, Profile},
    },
    error::Result,
    process::cmd,
    resource::env_file,
};

/// What `init` is to do, and where.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// A folder of the checkout.
    pub directory: &'a Utf8Path,
    /// Name of the profile; without one it is recognised.
    pub profile: Option<&'a str>,
    /// What may be replaced.
    pub told: Told,
    /// Only look.
    pub check: bool,
    /// The environment in which git is found, and in which the scripts will look for this program.
    pub base_env: &'a IndexMap<String, String>,
    /// This program.
    pub program: Option<&'a Utf8Path>,
}

/// What became of a checkout, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// The checkout.
    #[schemars(with = "String")]
    pub root: Utf8PathBuf,
    /// The profile that was taken; none when the manifest was made from what the checkout has.
    pub profile: Option<String>,
    /// Whether anything changed, or would.
    pub changes: bool,
    /// What became of each file, or would, by its path in the checkout.
    #[schemars(with = "BTreeMap<String, Act>")]
    pub files: IndexMap<Utf8PathBuf, Act>,
    /// The processes of the manifest.
    pub processes: Vec<String>,
    /// What the manifest's maker could not tell, each in one sentence.
    pub open: Vec<String>,
    /// The program that scripts of this clone will use, when it had to be remembered.
    #[schemars(with = "Option<String>")]
    pub program: Option<Utf8PathBuf>,
}

/// Writes what is missing or of an earlier `init`.
///
/// # Errors
/// When something is in the way or cannot be written; then nothing was.
pub async fn init(request: &Request<'_>) -> Result<Report> {
    let project = locate::project(request.directory)?;
    if project.workdir != project.root {
        return Err(InitError::Worktree { root: project.root }.into());
    }
    let root = &project.root;
    let record = Record::read(root)?;
    let profile = choose(root, request.profile, &record)?;
    let draft = match profile {
        Some(profile) => guess::Draft { text: profile.text.to_owned(), open: Vec::new() },
        None => guess::manifest(root),
    };
    let wanted = files::wanted(profile, draft.text);
    let plan = plan(root, &wanted, &record, request.told)?;
    let manifest = match plan.acts[Utf8Path::new(MANIFEST)] {
        Act::Keep => manifest::load(&root.join(MANIFEST)).map_err(InitError::Manifest)?,
        _ => manifest::parse(&[(MANIFEST.into(), wanted[0].text.clone())]).map_err(InitError::Draft)?,
    };
    if !request.check && !plan.in_way.is_empty() {
        return Err(InitError::InWay(plan.in_way).into());
    }
    ensure_committed(root, request, &plan.acts).await?;
    let record = next_record(record, profile, &wanted, &plan.acts);
    let mut files: IndexMap<Utf8PathBuf, Act> =
        plan.acts.iter().map(|(path, act)| ((*path).to_owned(), *act)).collect();
    files.insert(record::PATH.into(), record.act(root));
    let kept = plan.acts[Utf8Path::new(MANIFEST)] == Act::Keep;
    let mut report = Report {
        root: root.clone(),
        profile: record.profile.clone(),
        changes: files.values().any(|act| !matches!(act, Act::None | Act::Keep)),
        files,
        processes: manifest.manifest.process.iter().map(|process| process.name.clone()).collect(),
        open: if kept { Vec::new() } else { draft.open },
        program: None,
    };
    if !request.check {
        report.program = carry_out(&project, request, &wanted, &plan.acts, &record).await?;
    }
    Ok(report)
}

type Acts = IndexMap<&'static Utf8Path, Act>;

struct Plan {
    acts: Acts,
    in_way: Vec<InWay>,
}

fn plan(root: &Utf8Path, wanted: &[Wanted], record: &Record, told: Told) -> Result<Plan, InitError> {
    let mut plan = Plan { acts: Acts::new(), in_way: Vec::new() };
    for file in wanted {
        let found = look::look(root, file, record)?;
        let act = plan::decide(found, file.is_manifest(), told);
        if act == Act::InWay {
            plan.in_way.push(InWay { path: file.path, found });
        }
        plan.acts.insert(file.path, act);
    }
    Ok(plan)
}

fn choose(root: &Utf8Path, name: Option<&str>, record: &Record) -> Result<Option<&'static Profile>, InitError> {
    if let Some(name) = name {
        let unknown = || InitError::UnknownProfile { name: name.to_owned() };
        return profiles::find(name).map(Some).ok_or_else(unknown);
    }
    let recorded = record.profile.as_deref().and_then(profiles::find);
    Ok(recorded.or_else(|| recognise::recognise(root)))
}

/// What is to be replaced must be in git, unless it is to be lost.
async fn ensure_committed(root: &Utf8Path, request: &Request<'_>, acts: &Acts) -> Result<(), InitError> {
    let replaced: Vec<&'static Utf8Path> =
        acts.iter().filter(|(_, act)| **act == Act::Replace).map(|(path, _)| *path).collect();
    if replaced.is_empty() || request.told.force {
        return Ok(());
    }
    let committed = Git::find(root, request.base_env)?.committed(&replaced).await?;
    let lost: Vec<&'static Utf8Path> = replaced.into_iter().filter(|path| !committed.contains(path)).collect();
    if lost.is_empty() { Ok(()) } else { Err(InitError::NotCommitted(lost)) }
}

/// The record after the acts. What is kept counts as edited still.
fn next_record(mut record: Record, profile: Option<&Profile>, wanted: &[Wanted], acts: &Acts) -> Record {
    for file in wanted {
        if acts[file.path] != Act::Keep {
            record.files.insert(file.path.to_owned(), record::hash(file.text.as_bytes()));
        }
    }
    record.profile = profile.map(|profile| profile.name.to_owned());
    record
}

async fn carry_out(
    project: &Project,
    request: &Request<'_>,
    wanted: &[Wanted],
    acts: &Acts,
    record: &Record,
) -> Result<Option<Utf8PathBuf>> {
    let changed = |file: &&Wanted| !matches!(acts[file.path], Act::None | Act::Keep);
    write::write(&project.root, wanted.iter().filter(changed))?;
    record.write(&project.root)?;
    env_file::ensure_excluded(&project.common_dir)?;
    let Some(program) = request.program.filter(|_| !is_found_by_scripts(request.base_env)) else { return Ok(None) };
    // Without git the scripts could not ask for it either.
    let Ok(git) = Git::find(&project.root, request.base_env) else { return Ok(None) };
    Ok(git.remember_program(program).await?.then(|| program.to_owned()))
}

/// Whether the scripts find an `agent-harness` by themselves, in PATH or in Cargo's folder.
fn is_found_by_scripts(base_env: &IndexMap<String, String>) -> bool {
    let of = |name: &str| base_env.get(name).map(String::as_str);
    let cargo = of("HOME").map(|home| format!("{home}/.cargo/bin/agent-harness"));
    cmd::find("agent-harness", of("PATH").unwrap_or_default()).is_some()
        || cargo.is_some_and(|program| cmd::find(&program, "").is_some())
}

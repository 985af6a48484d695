//! Makes a workdir ready to run: install, build. Each command is skipped while its inputs and itself are as they were
//! when it last came to a good end, and its outputs are there.
//!
//! The memory of that lies under the state directory, keyed by the workdir; without it everything runs again.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use super::{OpsError, context, project::Project};
use crate::{
    config::text::{self, Context},
    error::Result,
    model::manifest::Prepare,
    output::progress::Progress,
    process::cmd::Cmd,
    resource::template::list_inputs,
    store::{
        atomic::{self, Access},
        lock::Lock,
        record::AgentSecrets,
    },
};

/// Another command may be installing the same tree: that is waited for, because the result is shared.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_hours(1);

/// What was prepared: name of the command to fingerprint of what it was run on.
pub(super) type Done = BTreeMap<String, String>;

/// Runs what must be run, in order. Returns the names of what ran.
///
/// # Errors
/// When a command fails, naming its log.
pub async fn prepare(project: &Project, workdir: &Utf8Path, progress: &Progress) -> Result<Vec<String>> {
    let manifest = &project.settings.manifest;
    if manifest.prepare.is_empty() {
        return Ok(Vec::new());
    }
    let place = Place::of(project, workdir);
    let _lock = Lock::acquire(&project.paths.locks(), &place.lock, "prepare", PATIENCE).await?;
    let mut done = place.read()?;
    let mut ran = Vec::new();
    for step in &manifest.prepare {
        let fingerprint = fingerprint(step, workdir)?;
        if done.get(&step.name) == Some(&fingerprint) && outputs_are_there(step, workdir) {
            continue;
        }
        project.requirements().await?;
        let shown = progress.begin(&format!("prepare {}", step.name));
        // Forgotten before it runs: cut off half way, it must run again.
        done.remove(&step.name);
        place.write(&done)?;
        // There is no agent yet, and so no secret that the command could be given.
        let mut values = context::of_template(&project.settings, "", "", &AgentSecrets::none());
        workdir.clone_into(&mut values.workdir);
        match run(project, step, &values, &place).await {
            Ok(()) => shown.done(),
            Err(error) => {
                shown.failed();
                return Err(error);
            }
        };
        done.insert(step.name.clone(), fingerprint);
        place.write(&done)?;
        ran.push(step.name.clone());
    }
    Ok(ran)
}

/// Runs the command `run` once in the workdir of `values`; its log is called `name`.
pub(super) async fn once(project: &Project, name: &str, run: &str, values: &Context) -> Result<()> {
    project.requirements().await?;
    let place = Place::of(project, &values.workdir);
    let _lock = Lock::acquire(&project.paths.locks(), &place.lock, "prepare", PATIENCE).await?;
    place.read()?;
    let step = Prepare {
        name: name.to_owned(),
        run: run.to_owned(),
        cwd: None,
        inputs: Vec::new(),
        outputs: Vec::new(),
        env: IndexMap::new(),
    };
    self::run(project, &step, values, &place).await
}

async fn run(project: &Project, step: &Prepare, values: &Context, place: &Place) -> Result<()> {
    let workdir = &values.workdir;
    let command = text::resolve_prepare(step, values, &project.base_env)?;
    let log = place.log(&step.name);
    atomic::write(&log, b"", Access::Private)?;
    let [program, args @ ..] = &command.argv[..] else { return Ok(()) };
    Cmd::new(program)
        .args(args)
        .cwd(&command.cwd)
        .envs(&command.env)
        .logged(&log)
        .await
        .map_err(|source| OpsError::Prepare { name: step.name.clone(), log, source })?;
    let missing = step.outputs.iter().find(|output| !workdir.join(output).exists());
    match missing {
        Some(output) => Err(OpsError::NoOutput { name: step.name.clone(), output: workdir.join(output) }.into()),
        None => Ok(()),
    }
}

fn outputs_are_there(step: &Prepare, workdir: &Utf8Path) -> bool {
    step.outputs.iter().all(|output| workdir.join(output).exists())
}

pub(super) fn fingerprint(step: &Prepare, workdir: &Utf8Path) -> Result<String> {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    add(&step.run);
    add(step.cwd.as_deref().unwrap_or_default());
    for (name, value) in &step.env {
        add(name);
        add(value);
    }
    for input in list_inputs(workdir, &step.inputs)? {
        add(&input.path);
        add(&input.hash);
    }
    Ok(hex::encode(digest.finalize()))
}

/// The name of `workdir` under the state directory.
#[must_use]
pub fn key(workdir: &Utf8Path) -> String {
    hex::encode(&Sha256::digest(workdir.as_str())[..8])
}

/// Where the memory and the logs of one workdir are.
pub(super) struct Place {
    directory: Utf8PathBuf,
    pub(super) lock: String,
}

impl Place {
    pub(super) fn of(project: &Project, workdir: &Utf8Path) -> Self {
        let key = key(workdir);
        Self { directory: project.paths.workdir(&key), lock: format!("prepare-{key}") }
    }

    fn log(&self, step: &str) -> Utf8PathBuf {
        self.directory.join(format!("{step}.log"))
    }

    pub(super) fn read(&self) -> Result<Done> {
        let path = self.directory.join("prepared.json");
        let fail = |act| move |source| OpsError::File { act, path: path.clone(), source };
        fs_err::create_dir_all(&self.directory).map_err(|source| OpsError::File {
            act: "make",
            path: self.directory.clone(),
            source,
        })?;
        match fs_err::read(self.directory.join("prepared.json")) {
            // What cannot be understood says nothing: everything runs again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Done::new()),
            Err(error) => Err(fail("read")(error).into()),
        }
    }

    pub(super) fn write(&self, done: &Done) -> Result<()> {
        let path = self.directory.join("prepared.json");
        let bytes = serde_json::to_vec_pretty(done).map_err(|error| OpsError::File {
            act: "write",
            path: path.clone(),
            source: error.into(),
        })?;
        Ok(atomic::write(&path, &bytes, Access::Private)?)
    }
}

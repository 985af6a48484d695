//! The project that a command works for.

use std::sync::Arc;

use indexmap::IndexMap;
use tokio::sync::OnceCell;

use super::require;
use crate::{
    config::{environment::Environment, paths::Paths, settings},
    error::Result,
    model::settings::Settings,
    store::registry::Registry,
};

/// A project with all that launching its agents takes.
#[derive(Clone, Debug)]
pub struct Project {
    /// Manifest and places.
    pub settings: Settings,
    /// State and cache of this user.
    pub paths: Paths,
    /// What processes may have of this shell's environment.
    pub base_env: IndexMap<String, String>,
    /// All of this shell's environment, for package managers.
    pub environment: Environment,
    /// Filled once the required programs were found good.
    met: Arc<OnceCell<()>>,
}

impl Project {
    /// The project of `directory`; makes the state directories.
    ///
    /// # Errors
    /// When there is none, its manifest does not load, or the directories cannot be made.
    pub fn open(directory: &camino::Utf8Path, environment: &Environment, paths: &Paths) -> Result<Self> {
        let registry = Registry::read(&paths.registry())?;
        let settings = settings::resolve(directory, environment, |workdir| registry.owner_of(workdir))?;
        settings::make_directories(paths)?;
        let base_env = settings::base_env(environment, paths);
        Ok(Self { settings, paths: paths.clone(), base_env, environment: environment.clone(), met: Arc::default() })
    }

    /// Waits until the programs that the manifest requires were found good, once a command. Whoever is about to obtain,
    /// install, build or start something asks first: what a wrong version makes would be taken for done.
    ///
    /// # Errors
    /// When a program is missing or too old, naming the command that installs it.
    pub async fn requirements(&self) -> Result<()> {
        let (required, root) = (&self.settings.manifest.require, &self.settings.project_root);
        self.met.get_or_try_init(|| require::check(required, &self.base_env, root)).await.map(drop)
    }

    /// The project of the current directory.
    ///
    /// # Errors
    /// As [`Self::open`], and when the current directory is gone.
    pub fn here(environment: &Environment, paths: &Paths) -> Result<Self> {
        let directory = settings::current_directory()?;
        Self::open(&directory, environment, paths)
    }
}

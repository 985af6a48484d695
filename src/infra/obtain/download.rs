//! Has a package manager of the machine download one pinned file into a directory.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Machine, ObtainError, digest, environment,
    pins::{Digest, Manager, Pin},
};
use crate::process::cmd::{self, Cmd};

/// A slow line needs minutes for the largest artefact; nobody waits longer than this for a hung one.
const LIMIT: Duration = Duration::from_mins(20);

/// A package manager that is there, and the words that begin its download command.
#[derive(Debug)]
pub(super) struct Downloader {
    program: Utf8PathBuf,
    words: &'static [&'static str],
}

/// The programs that act as `manager`, the preferred one first.
const fn programs(manager: Manager) -> &'static [(&'static str, &'static [&'static str])] {
    match manager {
        Manager::Pip => &[
            ("pip3", &["download"]),
            ("pip", &["download"]),
            ("python3", &["-m", "pip", "download"]),
            // uv downloads no files itself; it runs pip in an environment of its own.
            ("uv", &["tool", "run", "--quiet", "pip", "download"]),
        ],
        Manager::Npm => &[("npm", &["pack"])],
    }
}

impl Machine<'_> {
    /// The first program that acts as `manager` and really runs.
    pub(super) async fn downloader(&self, manager: Manager) -> Option<Downloader> {
        for &(name, words) in programs(manager) {
            let Some(program) = cmd::find(name, self.path()) else { continue };
            let before_download = &words[..words.len() - 1];
            // A Debian without python3-pip has python3, and a version manager has shims for what is not installed.
            let asked = Cmd::new(&program)
                .args(before_download)
                .args(["--version"])
                .envs(environment::of_manager(self.env))
                .timeout(LIMIT)
                .output();
            if asked.await.is_ok() {
                return Some(Downloader { program, words });
            }
        }
        None
    }

    /// Downloads the file of `pin` into `directory` and verifies it; `install` is the hint when that fails.
    pub(super) async fn download(
        &self,
        downloader: &Downloader,
        pin: &'static Pin,
        directory: &Utf8Path,
        install: &str,
    ) -> Result<Utf8PathBuf, ObtainError> {
        let disk = |source| ObtainError::Disk { path: directory.to_owned(), source };
        let mut command = Cmd::new(&downloader.program).args(downloader.words).cwd(directory);
        command = match (pin.manager, pin.digest) {
            (Manager::Pip, Digest::Sha256(hash)) => {
                let requirements = directory.join("requirements.txt");
                let line = format!("{}=={} --hash=sha256:{hash}\n", pin.package, pin.version);
                crate::store::atomic::write(&requirements, line.as_bytes(), crate::store::atomic::Access::Shared)
                    .map_err(|error| disk(std::io::Error::other(error)))?;
                command.args([
                    "--require-hashes",
                    "--no-deps",
                    "--only-binary=:all:",
                    "--disable-pip-version-check",
                    "--no-input",
                    "--quiet",
                    "--dest",
                    ".",
                    "--requirement",
                    "requirements.txt",
                ])
            }
            (Manager::Pip | Manager::Npm, _) => {
                command.args(["--ignore-scripts", "--loglevel=error", &format!("{}@{}", pin.package, pin.version)])
            }
        };
        command.envs(environment::of_manager(self.env)).timeout(LIMIT).output().await.map_err(|source| {
            ObtainError::Download {
                package: pin.package,
                version: pin.version,
                manager: pin.manager.name(),
                install: install.to_owned(),
                source: Box::new(source),
            }
        })?;
        let path = directory.join(pin.file);
        if !path.is_file() {
            return Err(ObtainError::NoFile { manager: pin.manager.name(), file: pin.file });
        }
        verify(pin, &path)?;
        Ok(path)
    }
}

/// Whether the file at `path` is the pinned one, whatever the package manager thought of it.
fn verify(pin: &'static Pin, path: &Utf8Path) -> Result<(), ObtainError> {
    let found =
        digest::of_file(path, pin.digest).map_err(|source| ObtainError::Disk { path: path.to_owned(), source })?;
    let pinned = pin.digest.text();
    if found == pinned { Ok(()) } else { Err(ObtainError::Hash { file: pin.file, found, pinned }) }
}

//! Which browser is used: the configured one, else a headless shell on the machine, else an obtained headless shell,
//! else a full Chromium. Each counts only when it was started here and ran a page.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Machine, ObtainError, Origin, pins};
use crate::{
    config::environment::Environment,
    error::Error,
    infra::embedded::browser::{Probe, probe},
    process::cmd,
};

const WHAT: &str = "a headless browser";

/// Headless shells, as packages name them.
const SHELLS: &[&str] = &["chromium-headless-shell", "chrome-headless-shell", "headless_shell"];
/// Whole browsers, as packages name them.
const WHOLE: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What is asked of the browser.
#[derive(Clone, Debug, Default)]
pub struct BrowserWanted {
    /// The program, from the settings.
    pub configured: Option<Utf8PathBuf>,
}

/// What kind of Chromium it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrowserKind {
    /// Only what is needed without a screen: half the memory, twice as fast to start.
    HeadlessShell,
    /// A whole browser.
    Chromium,
}

/// A browser that starts here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserBinary {
    /// The program.
    pub path: Utf8PathBuf,
    /// What kind it is.
    pub kind: BrowserKind,
    /// What it says it is, such as `HeadlessChrome/153.0.8010.0`.
    pub version: String,
    /// Where it came from.
    pub origin: Origin,
    /// What must be set in its environment (libraries and fonts that came with it). Given to `serve browser` as its
    /// own environment, which passes it on.
    pub env: BTreeMap<String, String>,
    /// Whether Chromium's own sandbox works here; without it `serve browser` starts it with `--no-sandbox`.
    pub sandbox: bool,
}

impl Machine<'_> {
    /// Finds the browser, or obtains it.
    ///
    /// # Errors
    /// When there is none and none can be obtained; the hint installs it.
    pub async fn browser(&self, wanted: &BrowserWanted) -> Result<BrowserBinary, ObtainError> {
        if let Some(path) = &wanted.configured {
            let refuse = |why| ObtainError::Configured { what: WHAT, path: path.clone(), why };
            let program = cmd::find(path.as_str(), self.path()).ok_or_else(|| refuse("no such program".to_owned()))?;
            return self.try_browser(&program, Origin::Configured, BTreeMap::new()).await.map_err(refuse);
        }
        let mut why = Vec::new();
        if let Some(found) = self.installed_browser(SHELLS, &mut why).await {
            return Ok(found);
        }
        let failure = match self.obtain_browser(&why).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        match self.installed_browser(WHOLE, &mut why).await {
            Some(found) => {
                (self.tell)(&format!("Using {}, because {}", found.path, Error::from(failure).chain()));
                Ok(found)
            }
            None => Err(failure),
        }
    }

    /// The first of `names` that works; for the others `why` says why not.
    async fn installed_browser(&self, names: &[&str], why: &mut Vec<String>) -> Option<BrowserBinary> {
        for program in names.iter().filter_map(|name| cmd::find(name, self.path())) {
            match self.try_browser(&program, Origin::System, BTreeMap::new()).await {
                Ok(found) => return Some(found),
                Err(reason) => why.push(reason),
            }
        }
        None
    }

    async fn obtain_browser(&self, why: &[String]) -> Result<BrowserBinary, ObtainError> {
        let install = super::apt("chromium-headless-shell");
        let Some(pin) = pins::here(pins::BROWSER).next() else {
            return Err(ObtainError::NotFound { what: WHAT, why: why.to_vec(), install });
        };
        let kept = if let Some(kept) = self.kept(pin) {
            kept
        } else {
            let Some(downloader) = self.downloader(pin.manager).await else {
                let managers = pin.manager.name().to_owned();
                return Err(ObtainError::NoManager { what: WHAT, managers, install });
            };
            let reason = if why.is_empty() { "no headless shell on this machine".to_owned() } else { why.join("; ") };
            self.keep(pin, &downloader, WHAT, &reason, &install).await?
        };
        let program = kept.join("chromium");
        let fonts = ("FONTCONFIG_FILE".to_owned(), kept.join("fonts.conf").into_string());
        let libraries = ("LD_LIBRARY_PATH".to_owned(), kept.join("lib").into_string());
        let own = self.try_browser(&program, Origin::Obtained, BTreeMap::from([libraries, fonts.clone()])).await;
        match own {
            Ok(found) => Ok(found),
            // Its libraries are made for a newer system than some; that one may have its own.
            Err(why) => self
                .try_browser(&program, Origin::Obtained, BTreeMap::from([fonts]))
                .await
                .map_err(|_| ObtainError::DoesNotStart { what: WHAT, path: kept, why, install }),
        }
    }

    async fn try_browser(
        &self,
        program: &Utf8Path,
        origin: Origin,
        env: BTreeMap<String, String>,
    ) -> Result<BrowserBinary, String> {
        let root = self.paths.cache.join("probes");
        super::keep::make_open(&root).map_err(|error| error.to_string())?;
        let name: String = program.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let memory = root.join(format!("{}.json", name.trim_start_matches('-')));
        let all = Environment::new(self.env.base().into_iter().chain(env.clone()));
        let Probe { sandbox, product, .. } =
            probe(program, &root, &all, &memory).await.map_err(|error| Error::from(error).chain())?;
        let kind = if product.starts_with("Headless") { BrowserKind::HeadlessShell } else { BrowserKind::Chromium };
        Ok(BrowserBinary { path: program.to_owned(), kind, version: product, origin, env, sandbox })
    }
}

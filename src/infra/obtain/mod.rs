//! Finds on the machine what the embedded infra needs, and obtains what is missing.
//!
//! Obtained means: one pinned artefact ([`pins`]), fetched without root by a package manager that the machine already
//! has, announced before it happens, verified here by its hash, unpacked once below `<cache>/obtained` and kept.
//! A service that the manifest leaves out is never asked for here.
//!
//! Interface: [`Machine::postgres`] and [`Machine::browser`].

pub mod browser;
mod digest;
mod download;
mod environment;
mod error;
mod keep;
pub mod pins;
pub mod postgres;
mod unpack;

pub use browser::{BrowserBinary, BrowserWanted};
pub use error::ObtainError;
pub use postgres::{PostgresBinaries, PostgresWanted};

use crate::config::{environment::Environment, paths::Paths};

/// Where things are looked for and kept, and who is told.
pub struct Machine<'a> {
    /// Obtained artefacts are kept below its cache, locks below the same directory.
    pub paths: &'a Paths,
    /// The caller's whole environment; package managers are given an allow-list of it.
    pub env: &'a Environment,
    /// Is given one line of telling at a time, before anything is downloaded.
    pub tell: &'a dyn Fn(&str),
}

/// Where a program came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Named in the settings.
    Configured,
    /// Found on the machine.
    System,
    /// Downloaded by us.
    Obtained,
}

impl Machine<'_> {
    /// The caller's `PATH`, empty when there is none.
    fn path(&self) -> &str {
        self.env.get("PATH").unwrap_or_default()
    }
}

/// The command that installs `packages` where apt is the system's package manager.
fn apt(packages: &str) -> String {
    let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
    format!("{sudo}apt-get install {packages}")
}

//! What every command works with: the manifest, where it came from, and nothing optional.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use super::manifest::{InfraPorts, Manifest};

/// Resolved once at the edge: flags > environment > `harness.local.toml` > `harness.toml` > defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The manifest with `harness.local.toml` laid over it; its texts are checked but not substituted.
    pub manifest: Manifest,
    /// Where it was read from, for messages.
    pub manifest_path: Utf8PathBuf,
    /// The project's own checkout: the main worktree of the repository.
    pub project_root: Utf8PathBuf,
    /// The repository's own folder, `.git` of the main checkout.
    pub common_dir: Utf8PathBuf,
    /// The tree that this command was called in: the project's checkout or one of its worktrees.
    pub workdir: Utf8PathBuf,
    /// The ports of the infra after the `AGENT_*_PORT` variables.
    pub infra_ports: InfraPorts,
    /// `expose` of `harness.local.toml`: the address or interface on which the agents' web ports are relayed.
    pub expose: Option<String>,
    /// The id of the agent whose worktree this command was called in.
    pub own_id: Option<super::id::AgentId>,
    /// The services the app uses.
    pub services: BTreeSet<super::manifest::Service>,
}

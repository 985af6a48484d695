//! `[session]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[session]`: the coding agent that `launch --claude` starts in a terminal session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// The command, run in the workdir with the agent's environment.
    pub run: String,
    /// The command that installs it, shown when it is missing.
    pub install: Option<String>,
}

impl Default for Session {
    fn default() -> Self {
        Self { run: "claude".to_owned(), install: None }
    }
}

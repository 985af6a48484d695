//! The manifest as it is written: `agent-harness/harness.toml`, key by key.
//!
//! These types are the JSON schema and the reference. Texts still carry their `{{ }}`; `config::text` resolves them.
//! Loading, positions in errors and `harness.local.toml` are `config::manifest`.

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod ending;
mod session;
mod verify;

pub use ending::{Restart, StopSignal};
pub use session::Session;
pub use verify::{Stage, Task, Verify};

/// One app, as the harness needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the app: letters, digits, `-` and `_`.
    pub name: String,
    /// What must be on the machine before anything is started.
    #[serde(default)]
    pub require: Vec<Require>,
    /// Ports by name: each agent gets `base + 10 * id`.
    #[serde(default)]
    pub ports: IndexMap<String, u16>,
    /// What `cli <id> url` prints, by name; the first one is the agent's page.
    #[serde(default)]
    pub urls: IndexMap<String, String>,
    /// The shared services.
    #[serde(default)]
    pub infra: Infra,
    /// Commands that make a workdir ready to run (install, build), in this order; each is skipped while its inputs
    /// are unchanged and its outputs are there.
    #[serde(default)]
    pub prepare: Vec<Prepare>,
    /// The database that agents are cloned from.
    #[serde(default)]
    pub template: Template,
    /// Written to `.env.agent.<id>` and given to every process.
    #[serde(default)]
    pub env: IndexMap<String, String>,
    /// The processes of one agent.
    #[serde(default)]
    pub process: Vec<Process>,
    /// What `verify` runs.
    #[serde(default)]
    pub verify: Verify,
    /// How `launch --worktree` makes a worktree.
    #[serde(default)]
    pub worktree: Worktree,
    /// The coding agent that `launch --claude` starts.
    #[serde(default)]
    pub session: Session,
}

/// A program that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Require {
    /// The program, looked up in PATH.
    pub program: String,
    /// Lowest version that will do, such as `20` or `20.11`, compared with the first version that
    /// `<program> --version` prints.
    #[serde(default)]
    pub version: Option<String>,
    /// The command that installs it, shown when it is missing.
    pub install: String,
}

/// Who runs the infra.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Processes of ours.
    #[default]
    Embedded,
    /// The containers of the specification.
    Docker,
    /// Services that already run.
    External,
}

/// One shared service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The database server.
    Postgres,
    /// Object storage.
    S3,
    /// Headless browser.
    Browser,
    /// Mail catcher.
    Mail,
}

impl Service {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::S3, Self::Browser, Self::Mail];

    /// Its name in the manifest and as a process of the stack `infra`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::S3 => "s3",
            Self::Browser => "browser",
            Self::Mail => "mail",
        }
    }
}

/// `[infra]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Infra {
    /// Who runs the services.
    pub provider: Provider,
    /// Which services the app uses; one left out is neither started nor obtained.
    pub services: Vec<Service>,
    /// PostgreSQL extensions that the superuser creates in the template.
    pub extensions: Vec<String>,
    /// Days after which objects in an agent's bucket expire; 0 keeps them.
    pub s3_expire_days: u32,
    /// Safety of PostgreSQL's data.
    pub durability: Durability,
    /// Ports of the shared services.
    pub ports: InfraPorts,
    /// Programs of others that the embedded services run.
    pub programs: Programs,
}

/// `[infra.programs]`, looked at when the infra is started; one left out is found on the machine or obtained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Programs {
    /// The folder of PostgreSQL's programs, absolute.
    #[schemars(with = "Option<String>")]
    pub postgres: Option<Utf8PathBuf>,
    /// A headless shell or a Chromium, absolute.
    #[schemars(with = "Option<String>")]
    pub browser: Option<Utf8PathBuf>,
}

impl Default for Infra {
    fn default() -> Self {
        Self {
            provider: Provider::default(),
            services: Service::ALL.to_vec(),
            extensions: Vec::new(),
            s3_expire_days: 0,
            durability: Durability::default(),
            ports: InfraPorts::default(),
            programs: Programs::default(),
        }
    }
}

/// Safety of PostgreSQL's data against a crash of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// `fsync`, `full_page_writes` and `synchronous_commit` are on.
    #[default]
    On,
    /// All three are off: faster; a cluster that was not shut down cleanly before a reboot is rebuilt.
    Off,
}

/// `[infra.ports]`: each can also be moved by its `AGENT_*_PORT` variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InfraPorts {
    /// PostgreSQL (`AGENT_DB_PORT`).
    pub postgres: u16,
    /// S3 API (`AGENT_MINIO_PORT`).
    pub s3: u16,
    /// Object browser (`AGENT_MINIO_CONSOLE_PORT`).
    pub s3_console: u16,
    /// Browser gateway (`AGENT_BROWSER_PORT`).
    pub browser: u16,
    /// SMTP (`AGENT_MAILPIT_SMTP_PORT`).
    pub smtp: u16,
    /// Mail page and API (`AGENT_MAILPIT_WEB_PORT`).
    pub mail: u16,
}

impl Default for InfraPorts {
    fn default() -> Self {
        Self { postgres: 15432, s3: 19000, s3_console: 19001, browser: 13001, smtp: 11025, mail: 18025 }
    }
}

/// `[[prepare]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// Its name in progress, logs and errors.
    pub name: String,
    /// The command, split as a shell would split words and executed without a shell.
    pub run: String,
    /// Working directory, relative to the workdir.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Globs of the files that the result depends on, relative to the workdir.
    pub inputs: Vec<String>,
    /// Files or folders that the command makes; one missing means that it must run.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Further environment of this command.
    #[serde(default)]
    pub env: IndexMap<String, String>,
}

/// `[template]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// Name of the finished template database; default `<name>_template`, `-` written as `_`.
    pub database: Option<String>,
    /// The layers, lowest first.
    pub step: Vec<TemplateStep>,
    /// What is done in every clone, as the agent's role, before its processes start.
    pub after_clone: Vec<AfterClone>,
}

/// `[[template.step]]`: one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateStep {
    /// Name of the layer.
    pub name: String,
    /// The command, run with `[env]` as a login role that owns only the objects of the template.
    pub run: String,
    /// Working directory, relative to the workdir.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Globs of the files that the layer depends on.
    pub inputs: Vec<String>,
    /// The step only adds to what an older layer holds (migrations): it may start from the newest layer to whose inputs
    /// today's only add, in every folder after what was there.
    #[serde(default)]
    pub forward: bool,
    /// Further environment of this step.
    #[serde(default)]
    pub env: IndexMap<String, String>,
    /// Longest time it may take, such as `"20m"`.
    #[serde(default)]
    pub timeout: Option<String>,
}

/// `[[template.after_clone]]`: exactly one of `sql` and `run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AfterClone {
    /// Its name in progress, logs and errors.
    pub name: String,
    /// SQL, run as the agent's role in the agent's database in one transaction.
    #[serde(default)]
    pub sql: Option<String>,
    /// A command, run with the agent's environment in the workdir.
    #[serde(default)]
    pub run: Option<String>,
    /// Working directory of `run`, relative to the workdir.
    #[serde(default)]
    pub cwd: Option<String>,
}

/// `[[process]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The command, split as a shell would split words, each word substituted, executed without a shell.
    pub run: String,
    /// Working directory, relative to the workdir.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Further environment of this process.
    #[serde(default)]
    pub env: IndexMap<String, String>,
    /// When it is ready.
    #[serde(default)]
    pub ready: Option<Ready>,
    /// Processes that must be ready before it is started.
    #[serde(default)]
    pub after: Vec<String>,
    /// Files and folders, relative to its cwd, whose change restarts it.
    #[serde(default)]
    pub watch: Vec<String>,
    /// Globs, relative to its cwd, of watched files that restart nothing.
    #[serde(default)]
    pub watch_ignore: Vec<String>,
    /// What happens when it ends by itself.
    #[serde(default)]
    pub restart: Restart,
    /// The signal that asks for its end.
    #[serde(default)]
    pub stop_signal: StopSignal,
    /// Time from that signal to SIGKILL, such as `"5s"`.
    #[serde(default)]
    pub stop_grace: Option<String>,
    /// Started only on demand when `false`: left out by `launch`, known to `restart`.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

/// `ready = { … }`: exactly one of `http`, `tcp`, `log` and `command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Path that must answer with a status below 400 on `port`.
    #[serde(default)]
    pub http: Option<String>,
    /// Name of the port that must accept connections.
    #[serde(default)]
    pub tcp: Option<String>,
    /// Regular expression that a line of output must match.
    #[serde(default)]
    pub log: Option<String>,
    /// Command that must exit with 0.
    #[serde(default)]
    pub command: Option<String>,
    /// Name of the port that `http` asks.
    #[serde(default)]
    pub port: Option<String>,
    /// How long it may take from start to ready, such as `"180s"`.
    #[serde(default)]
    pub timeout: Option<String>,
}

/// `[worktree]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Worktree {
    /// Where it is made; `~/` is the home directory, anything else relative is relative to the project's checkout.
    pub dir: String,
    /// Globs of ignored trees that tools replace and never rewrite: reflink, else hard link, else copy.
    pub clone: Vec<String>,
    /// Globs of ignored files that the app needs: reflink, else copy. Inside of what `clone` names they take
    /// out what is written in place.
    pub copy: Vec<String>,
    /// Globs of files among these whose text names the project's checkout: copied, and made to name the worktree.
    pub rewrite: Vec<String>,
    /// Globs of what is left out of these.
    pub skip: Vec<String>,
    /// Command that completes a new worktree, before `[[prepare]]`.
    pub prepare: Option<String>,
}

impl Default for Worktree {
    fn default() -> Self {
        let rewrite =
            ["**/node_modules/.bin/*", "**/node_modules/.modules.yaml", "**/node_modules/.pnpm-workspace-state*.json"];
        Self {
            dir: "~/worktrees/agent-{{ id }}".to_owned(),
            clone: Vec::new(),
            copy: Vec::new(),
            rewrite: rewrite.map(str::to_owned).to_vec(),
            skip: Vec::new(),
            prepare: None,
        }
    }
}

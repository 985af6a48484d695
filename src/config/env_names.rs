//! The environment variables that the harness itself reads or sets. `config` is the only reader.

/// Moves the state directory (records, stacks, PostgreSQL's data, objects, mails).
pub const STATE_DIR: &str = "AGENT_HARNESS_STATE_DIR";
/// Moves the cache directory (what was obtained).
pub const CACHE_DIR: &str = "AGENT_HARNESS_CACHE_DIR";
/// The checkout to work for, unless the current folder is in one of the same repository; set by the scripts that `init`
/// writes.
pub const CHECKOUT: &str = "AGENT_HARNESS_CHECKOUT";
/// Set in every supervised process to its stack's mark (see [`crate::config::paths::Paths::mark`]); members that left
/// group and session are found by it.
pub const STACK: &str = "AGENT_HARNESS_STACK";
/// Set in every supervised process to its name in the stack.
pub const PROCESS: &str = "AGENT_HARNESS_PROCESS";
/// Set in supervisors and keepers to their stack's mark, so that they are never taken for members of a process that
/// started them.
pub const SUPERVISOR: &str = "AGENT_HARNESS_SUPERVISOR";
/// Set in a terminal session of an agent to its id.
pub const ID: &str = "AGENT_HARNESS_ID";
/// The program that the scripts of `init` execute, before all others.
pub const PROGRAM: &str = "AGENT_HARNESS_BIN";
/// What the variables of the harness itself begin with.
pub const OWN_PREFIX: &str = "AGENT_HARNESS_";
/// The socket and more of the tmux that this command runs in.
pub const TMUX: &str = "TMUX";
/// The folder in which tmux makes its sockets, instead of `/tmp`.
pub const TMUX_TMPDIR: &str = "TMUX_TMPDIR";
/// What `execvp` searches when the environment has no PATH.
pub const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// Port of PostgreSQL.
pub const DB_PORT: &str = "AGENT_DB_PORT";
/// Port of the S3 API.
pub const S3_PORT: &str = "AGENT_MINIO_PORT";
/// Port of the object browser.
pub const S3_CONSOLE_PORT: &str = "AGENT_MINIO_CONSOLE_PORT";
/// Port of the browser gateway.
pub const BROWSER_PORT: &str = "AGENT_BROWSER_PORT";
/// Port of SMTP.
pub const SMTP_PORT: &str = "AGENT_MAILPIT_SMTP_PORT";
/// Port of the mail page and API.
pub const MAIL_PORT: &str = "AGENT_MAILPIT_WEB_PORT";
/// Set when colour is unwanted, whatever its value (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";

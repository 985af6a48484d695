//! What can go wrong in a command as a whole.

use camino::Utf8PathBuf;

use crate::{
    error::Diagnose, exit_code::ExitCode, infra::postgres::PostgresError, model::id::AgentId, process::cmd::CmdError,
};

/// A failure of an operation.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// Nobody launched this agent.
    #[error("agent {0} is not launched")]
    NotLaunched(AgentId),
    /// The agent has processes and data for another tree.
    #[error("agent {id} runs in {workdir}, and gets no worktree while it does")]
    RunsElsewhere {
        /// The agent.
        id: AgentId,
        /// Where it runs.
        workdir: Utf8PathBuf,
    },
    /// The agent's processes are there, but not well.
    #[error("agent {id} did not become healthy: {reason}{}", last_lines(.log, .lines))]
    Unhealthy {
        /// The id.
        id: AgentId,
        /// Which process, and why.
        reason: String,
        /// Its log.
        log: Utf8PathBuf,
        /// The end of its log.
        lines: Vec<String>,
    },
    /// A service of the infra is not well.
    #[error("{service} did not become ready: {reason}{}", last_lines(.log, .lines))]
    InfraUnready {
        /// Name of the service.
        service: String,
        /// Why.
        reason: String,
        /// Its log.
        log: Utf8PathBuf,
        /// The end of its log.
        lines: Vec<String>,
    },
    /// A port of the agent is served by somebody else.
    #[error("port {port} ({name}) is served by {owner}, which is not a process of this agent")]
    ForeignListener {
        /// Name of the port.
        name: String,
        /// The port.
        port: u16,
        /// Who it is.
        owner: String,
    },
    /// All processes are ready, and none listens on a port of the agent.
    #[error("no process of the agent listens on port {port} (`{name}`)")]
    NoListener {
        /// Name of the port.
        name: String,
        /// The port.
        port: u16,
    },
    /// The printed URL does not answer.
    #[error("{url} does not answer: {reason}")]
    UrlSilent {
        /// The URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// After teardown something was still there.
    #[error("left over after the teardown of agent {id}: {}", .what.join(", "))]
    LeftOver {
        /// The id.
        id: AgentId,
        /// What was found.
        what: Vec<String>,
    },
    /// A program that the manifest requires is missing or too old.
    #[error("{program} {problem}")]
    Requirement {
        /// The program.
        program: String,
        /// What is wrong with it.
        problem: String,
        /// The command that installs it.
        install: String,
    },
    /// A command that prepares the workdir failed.
    #[error("preparing the workdir failed at {name} (log: {log})")]
    Prepare {
        /// Name of the command.
        name: String,
        /// Its output.
        log: Utf8PathBuf,
        /// How it failed.
        source: CmdError,
    },
    /// A command that prepares the workdir ended well and made nothing.
    #[error("{name} ended well, but {output} is not there")]
    NoOutput {
        /// Name of the command.
        name: String,
        /// What it should have made.
        output: Utf8PathBuf,
    },
    /// A command of `template.after_clone` failed.
    #[error("the after_clone step {step} failed")]
    AfterClone {
        /// The step.
        step: String,
        /// How it failed.
        source: CmdError,
    },
    /// The server refused a query.
    #[error("the query failed")]
    Query(#[source] PostgresError),
    /// Nobody set the infra up.
    #[error("the infra is not set up")]
    NoInfra,
    /// A process that does not exist, or that never wrote anything.
    #[error("{name} has no log; there are {}", .known.join(", "))]
    NoLog {
        /// The name asked for.
        name: String,
        /// Those that have one.
        known: Vec<String>,
    },
    /// The unpacked example holds a person's work.
    #[error("the example in {checkout} was edited ({what})")]
    DemoEdited {
        /// Where it is.
        checkout: Utf8PathBuf,
        /// Which files, or commits.
        what: String,
    },
    /// There is no client for people.
    #[error("there is no psql, neither beside the server nor in PATH")]
    NoPsql,
    /// A file or directory could not be handled.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// This kind of infra cannot be had yet.
    #[error("infra provider {0} is not built yet")]
    Provider(&'static str),
}

fn last_lines(log: &Utf8PathBuf, lines: &[String]) -> String {
    let mut text = format!("\n  log: {log}");
    for line in lines {
        text.push_str("\n  | ");
        text.push_str(line);
    }
    text
}

impl Diagnose for OpsError {
    fn exit_code(&self) -> ExitCode {
        match self {
            // As psql's own code.
            Self::NotLaunched(_) | Self::Query(_) => ExitCode::Unwell,
            Self::Unhealthy { .. }
            | Self::InfraUnready { .. }
            | Self::ForeignListener { .. }
            | Self::NoListener { .. }
            | Self::UrlSilent { .. }
            | Self::LeftOver { .. }
            | Self::Prepare { .. }
            | Self::NoOutput { .. }
            | Self::AfterClone { .. }
            | Self::File { .. } => ExitCode::StepFailed,
            Self::DemoEdited { .. } | Self::RunsElsewhere { .. } => ExitCode::Conflict,
            Self::Requirement { .. } | Self::NoInfra | Self::NoPsql => ExitCode::Missing,
            Self::Provider(_) | Self::NoLog { .. } => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::RunsElsewhere { id, .. } => Some(format!(
                "agent-harness teardown {id} && agent-harness launch {id} --worktree, or: agent-harness launch next --worktree"
            )),
            Self::NotLaunched(id) => Some(format!("agent-harness launch {id}")),
            Self::Unhealthy { id, .. } => Some(format!("agent-harness logs {id}")),
            Self::InfraUnready { service, .. } => Some(format!("agent-harness infra logs {service}")),
            Self::ForeignListener { port, .. } => Some(format!("ss -ltnp 'sport = :{port}'")),
            Self::NoListener { name, .. } => {
                Some(format!("have a process listen on {{{{ ports.{name} }}}}, or take `{name}` out of [ports]"))
            }
            Self::Prepare { log, .. } => Some(format!("cat {log}")),
            Self::NoOutput { .. } => Some("correct `outputs` in harness.toml".to_owned()),
            Self::NoPsql => Some("apt-get install postgresql-client".to_owned()),
            Self::DemoEdited { .. } => Some("agent-harness demo --stop --force, to lose that work".to_owned()),
            Self::NoInfra => Some("agent-harness setup-infra".to_owned()),
            Self::Query(_)
            | Self::NoLog { .. }
            | Self::UrlSilent { .. }
            | Self::AfterClone { .. }
            | Self::File { .. } => None,
            Self::LeftOver { id, .. } => Some(format!("agent-harness teardown {id}")),
            Self::Requirement { install, .. } => Some(install.clone()),
            Self::Provider(_) => Some("set provider = \"embedded\" in [infra]".to_owned()),
        }
    }
}

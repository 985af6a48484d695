//! Where everything lies. The only place that knows the layout of the state and cache directories.
//!
//! ```text
//! <state>/registry.json                 ids, ports, projects
//!         locks/<name>.lock
//!         agents/<id>/                  record.json, session.json (0600), journal.jsonl
//!                     verify/           <stage>.<task>.log of the last `verify`
//!         stacks/<stack>/               spec.json (0600), supervisor.sock, keeper.sock, state of the supervisor
//!                        logs/<process>.log[.N], logs/<process>.out (raw output not yet consumed),
//!                        logs/<process>.pos (how much of it was consumed)
//!         infra/secrets.json            0600
//!         infra/postgres/               data and what is known about the cluster
//!         infra/s3/  infra/mail/  infra/browser/
//!         templates/<template>/         logs of its steps
//!         workdirs/<key>/               what was prepared in a workdir, and the logs of that
//!         demo/                         the unpacked example
//!         tmp/                          what the agents' programs put into TMPDIR
//! <cache>/obtained/<name>-<version>/    unpacked artefacts
//! ```

use camino::{Utf8Path, Utf8PathBuf};

use crate::model::{id::AgentId, stack::StackName};

/// The state and cache directories of this Unix user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Records, stacks, data: lost only with the user's consent.
    pub state: Utf8PathBuf,
    /// What can be obtained again.
    pub cache: Utf8PathBuf,
}

impl Paths {
    /// The directory of one agent's record.
    #[must_use]
    pub fn agent(&self, id: AgentId) -> Utf8PathBuf {
        self.state.join("agents").join(id.to_string())
    }

    /// The directory of one stack.
    #[must_use]
    pub fn stack(&self, name: StackName) -> StackDir {
        StackDir(self.state.join("stacks").join(name.to_string()))
    }

    /// The value of `AGENT_HARNESS_STACK` in a stack's processes: unique on the machine, because two state
    /// directories (two users, two test worlds) may both have an `agent-1`.
    #[must_use]
    pub fn mark(&self, name: StackName) -> String {
        self.stack(name).mark().to_owned()
    }

    /// The registry of ids and projects.
    #[must_use]
    pub fn registry(&self) -> Utf8PathBuf {
        self.state.join("registry.json")
    }

    /// The record of one agent, mode 0600.
    #[must_use]
    pub fn record(&self, id: AgentId) -> Utf8PathBuf {
        self.agent(id).join("record.json")
    }

    /// The journal of one agent.
    #[must_use]
    pub fn journal(&self, id: AgentId) -> Utf8PathBuf {
        self.agent(id).join("journal.jsonl")
    }

    /// The logs of the last `verify` of one agent. Its path is also the mark `AGENT_HARNESS_STACK` of the processes of
    /// a `verify` that runs, so that whatever is left of one can be found.
    #[must_use]
    pub fn verify(&self, id: AgentId) -> Utf8PathBuf {
        self.agent(id).join("verify")
    }

    /// What is ours of one agent's worktree.
    #[must_use]
    pub fn worktree_claim(&self, id: AgentId) -> Utf8PathBuf {
        self.agent(id).join("worktree.json")
    }

    /// `TMPDIR` of every agent's programs. One for all, because what they put there to be found again is caches by
    /// content, which make the second agent's start quicker.
    #[must_use]
    pub fn temporary(&self) -> Utf8PathBuf {
        self.state.join("tmp")
    }

    /// What the terminal session of one agent runs, mode 0600.
    #[must_use]
    pub fn session(&self, id: AgentId) -> Utf8PathBuf {
        self.agent(id).join("session.json")
    }

    /// The value of `AGENT_HARNESS_STACK` in what runs in an agent's terminal session: not that of its stack, whose
    /// supervisor would take it for its own.
    #[must_use]
    pub fn session_mark(&self, id: AgentId) -> String {
        format!("{}/session", self.mark(StackName::Agent(id)))
    }

    /// The directory of all locks.
    #[must_use]
    pub fn locks(&self) -> Utf8PathBuf {
        self.state.join("locks")
    }

    /// The directory of one shared service.
    #[must_use]
    pub fn infra(&self, service: &str) -> Utf8PathBuf {
        self.state.join("infra").join(service)
    }

    /// What is known of one workdir, by its key: what was prepared, and the logs of that.
    #[must_use]
    pub fn workdir(&self, key: &str) -> Utf8PathBuf {
        self.state.join("workdirs").join(key)
    }

    /// The logs of a template's steps.
    #[must_use]
    pub fn template_logs(&self, template: &str) -> Utf8PathBuf {
        self.state.join("templates").join(template)
    }

    /// Where obtained artefacts are unpacked.
    #[must_use]
    pub fn obtained(&self) -> Utf8PathBuf {
        self.cache.join("obtained")
    }
}

/// The directory of one stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackDir(Utf8PathBuf);

impl StackDir {
    /// The directory at `path`, as `supervise` is given it.
    #[must_use]
    pub const fn new(path: Utf8PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// The resolved [`crate::model::stack::StackSpec`], mode 0600.
    #[must_use]
    pub fn spec(&self) -> Utf8PathBuf {
        self.0.join("spec.json")
    }

    /// The supervisor's control socket, mode 0600. Longer than a socket address may be: bind and connect through a
    /// handle of the directory.
    #[must_use]
    pub fn socket(&self) -> Utf8PathBuf {
        self.0.join("supervisor.sock")
    }

    /// The keeper's socket, mode 0600, long as [`Self::socket`].
    #[must_use]
    pub fn keeper_socket(&self) -> Utf8PathBuf {
        self.0.join("keeper.sock")
    }

    /// What supervisor and keeper have to say, and what they panic with.
    #[must_use]
    pub fn supervisor_log(&self) -> Utf8PathBuf {
        self.0.join("supervisor.log")
    }

    /// Who runs: the supervisor's own record, by which the next one adopts.
    #[must_use]
    pub fn runtime(&self) -> Utf8PathBuf {
        self.0.join("runtime.json")
    }

    /// The value of `AGENT_HARNESS_STACK` in the stack's processes.
    #[must_use]
    pub fn mark(&self) -> &str {
        self.0.as_str()
    }

    /// The directory of logs.
    #[must_use]
    pub fn logs(&self) -> Utf8PathBuf {
        self.0.join("logs")
    }

    /// The stamped log of one process; older parts are `<name>.log.1` (newest) … `.N`.
    #[must_use]
    pub fn log(&self, process: &str) -> Utf8PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// What the process wrote and the supervisor has not yet taken over.
    #[must_use]
    pub fn raw_output(&self, process: &str) -> Utf8PathBuf {
        self.logs().join(format!("{process}.out"))
    }

    /// How much of the raw output has been taken over.
    #[must_use]
    pub fn follow_record(&self, process: &str) -> Utf8PathBuf {
        self.logs().join(format!("{process}.pos"))
    }
}

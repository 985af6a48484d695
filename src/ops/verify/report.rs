//! The verdict as `verify` prints it. The keys `status`, `stages[].{name,status,duration_ms}` and `total_duration_ms`
//! and their values are those of the specification; the others are ours.

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::id::AgentId;

/// Good or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All of it passed.
    Pass,
    /// Something of it failed.
    Fail,
}

/// How a task came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskStatus {
    /// It ended with 0, and said what was expected.
    Pass,
    /// It did not.
    Fail,
    /// It was not started, because another task of its stage had failed.
    Skipped,
}

/// What a task was run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Its `run`.
    Everything,
    /// Its `changed`.
    Changed,
}

/// What came of one `verify`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The verdict.
    pub status: Verdict,
    /// The stages that were run, in their order; the last one may have failed.
    pub stages: Vec<StageReport>,
    /// Milliseconds from the first stage's start to the last one's end.
    pub total_duration_ms: u64,
    /// Names of the stages that were not run because one before them failed.
    pub skipped: Vec<String>,
    /// The first error of the first task that failed, in the manifest's order.
    pub first_error: Option<StageError>,
    /// The agent.
    pub agent: AgentId,
    /// The tree that was verified.
    #[schemars(with = "String")]
    pub workdir: Utf8PathBuf,
    /// What "changed" means, where some task has a `changed` and it is known.
    pub compared_with: Option<Compared>,
    /// Why everything was run although some task has a `changed`.
    pub everything_because: Option<String>,
}

/// What the tree was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Compared {
    /// The base.
    pub branch: String,
    /// The newest commit that both have.
    pub commit: String,
    /// How many files differ from it, those that git does not know yet included.
    pub files: usize,
}

/// One stage.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// Whether all its tasks passed.
    pub status: Verdict,
    /// Milliseconds from its start to its last task's end.
    pub duration_ms: u64,
    /// Its tasks in the manifest's order.
    pub tasks: Vec<TaskReport>,
}

/// One task.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TaskReport {
    /// Its name.
    pub name: String,
    /// How it came out.
    pub status: TaskStatus,
    /// Milliseconds from its start to the end of its last process.
    pub duration_ms: u64,
    /// Which of its commands was run.
    pub scope: Scope,
    /// Its exit code, when it ended by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All that it wrote; kept until the agent's next `verify`. None when it was not started.
    #[schemars(with = "Option<String>")]
    pub log: Option<Utf8PathBuf>,
    /// What failed first in it.
    pub first_error: Option<FirstError>,
    /// What a reader of the verdict should know.
    pub notice: Option<String>,
}

/// Where and why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FirstError {
    /// The file, relative to the workdir where it lies in it; none when the output names none that exists.
    #[schemars(with = "Option<String>")]
    pub file: Option<Utf8PathBuf>,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
    /// What the tool said, else how the task ended.
    pub message: String,
}

/// The first error of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StageError {
    /// The stage.
    pub stage: String,
    /// The task.
    pub task: String,
    /// As in [`FirstError`].
    #[schemars(with = "Option<String>")]
    pub file: Option<Utf8PathBuf>,
    /// As in [`FirstError`].
    pub line: Option<u32>,
    /// As in [`FirstError`].
    pub column: Option<u32>,
    /// As in [`FirstError`].
    pub message: String,
}

impl FirstError {
    /// An error without a place.
    #[must_use]
    pub const fn message(message: String) -> Self {
        Self { file: None, line: None, column: None, message }
    }
}

impl std::fmt::Display for FirstError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column, message } = self;
        if let Some(file) = file {
            write!(f, "{file}:")?;
            for number in [line, column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(message)
    }
}

impl StageReport {
    /// The stage `name` of these tasks.
    #[must_use]
    pub fn new(name: &str, tasks: Vec<TaskReport>, duration_ms: u64) -> Self {
        let failed = tasks.iter().any(|task| task.status != TaskStatus::Pass);
        Self { name: name.to_owned(), status: if failed { Verdict::Fail } else { Verdict::Pass }, duration_ms, tasks }
    }
}

impl Report {
    /// The verdict over `stages` of the agent's `workdir`.
    #[must_use]
    pub fn new(agent: AgentId, workdir: &Utf8Path, stages: Vec<StageReport>, total_duration_ms: u64) -> Self {
        let failed = stages.iter().any(|stage| stage.status == Verdict::Fail);
        let first_error = stages.iter().find_map(|stage| {
            let task = stage.tasks.iter().find(|task| task.status == TaskStatus::Fail)?;
            let FirstError { file, line, column, message } = task.first_error.clone()?;
            Some(StageError { stage: stage.name.clone(), task: task.name.clone(), file, line, column, message })
        });
        Self {
            status: if failed { Verdict::Fail } else { Verdict::Pass },
            stages,
            total_duration_ms,
            skipped: Vec::new(),
            first_error,
            agent,
            workdir: workdir.to_owned(),
            compared_with: None,
            everything_because: None,
        }
    }
}

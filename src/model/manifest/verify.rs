//! `[verify]`: what is run to see that a change is good.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// `[verify]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// The branch that work goes to: what changed is what differs from the commit where the work left it. Left out:
    /// the remote's default branch, else `main` or `master`.
    pub base: Option<String>,
    /// Globs, relative to the workdir, of files that everything depends on: a change of one has every task run its
    /// `run`.
    pub all_on_change: Vec<String>,
    /// The stages in their order; the first that fails ends the run.
    pub stage: Vec<Stage>,
}

/// `[[verify.stage]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name in the report.
    pub name: String,
    /// Tasks by name, run at once as far as cores and memory go; each a command, or a table.
    #[serde(deserialize_with = "tasks")]
    #[schemars(with = "IndexMap<String, CommandOrTask>")]
    pub tasks: IndexMap<String, Task>,
    /// Only with `--full`.
    #[serde(default)]
    pub full: bool,
}

/// One command of a stage. A text in its place is its `run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The command, split as a shell would split words and executed without a shell.
    pub run: String,
    /// The command in its place when it is known what changed; `{{ verify.base }}` is the commit to compare with.
    #[serde(default)]
    pub changed: Option<String>,
    /// Working directory, relative to the workdir.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Further environment of this task.
    #[serde(default)]
    pub env: IndexMap<String, String>,
    /// Memory that it needs at its peak, such as `"4g"`: another task is started beside it only where both have room.
    #[serde(default)]
    pub memory: Option<String>,
    /// Longest time it may take, such as `"20m"`.
    #[serde(default)]
    pub timeout: Option<String>,
    /// Regular expression that a line of the output of `run` must match, or the task fails: the proof that something
    /// was tested.
    #[serde(default)]
    pub expect: Option<String>,
}

impl Task {
    /// A task of a command and nothing else.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            changed: None,
            cwd: None,
            env: IndexMap::new(),
            memory: None,
            timeout: None,
            expect: None,
        }
    }
}

/// How a task may be written, for the schema only.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema is made of it; `Entry` reads it")]
enum CommandOrTask {
    Command(String),
    Table(Task),
}

fn tasks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IndexMap<String, Task>, D::Error> {
    let entries = IndexMap::<String, Entry>::deserialize(deserializer)?;
    Ok(entries.into_iter().map(|(name, Entry(task))| (name, task)).collect())
}

/// A task, read from either form. By hand, because an untagged enum would hide which key of a table is wrong.
struct Entry(Task);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command in quotes, or a table with `run`,")
    }

    fn visit_str<E: Error>(self, run: &str) -> Result<Entry, E> {
        Ok(Entry(Task::new(run)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        Task::deserialize(MapAccessDeserializer::new(map)).map(Entry)
    }
}

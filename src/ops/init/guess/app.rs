//! What is known of an app, before it is written as a manifest.

use std::collections::BTreeMap;

use camino::Utf8Path;
use indexmap::IndexMap;

use crate::model::manifest::Service;

/// Bases of ports for what people look at, and for what programs ask: far apart, so that no low id of one meets another,
/// and away from the ports that browsers refuse.
const PAGES: [u16; 4] = [3000, 7000, 12000, 14000];
const SERVERS: [u16; 6] = [8000, 9000, 16000, 17000, 21000, 22000];

/// See the module. Every entry carries where it was seen.
#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) require: Vec<Require>,
    pub(super) ports: IndexMap<String, u16>,
    /// The services, each with where it was seen.
    pub(super) services: BTreeMap<Service, String>,
    pub(super) prepare: Vec<Prepare>,
    pub(super) steps: Vec<Step>,
    pub(super) env: IndexMap<String, (String, String)>,
    pub(super) processes: Vec<Process>,
    pub(super) stages: Vec<Stage>,
    /// Ignored trees that a worktree clones.
    pub(super) clone: Vec<String>,
    /// Ignored files that a worktree copies.
    pub(super) copy: Vec<String>,
    /// What could not be told.
    pub(super) open: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Require {
    pub(super) program: &'static str,
    pub(super) version: Option<String>,
    pub(super) install: &'static str,
    pub(super) seen: String,
}

#[derive(Debug)]
pub(super) struct Prepare {
    pub(super) name: &'static str,
    pub(super) run: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) seen: String,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) run: String,
    pub(super) cwd: String,
    /// None: it is written as a comment.
    pub(super) inputs: Vec<String>,
    pub(super) forward: bool,
    pub(super) seen: String,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) name: String,
    /// `{{ ports.… }}` stands in it where the port goes.
    pub(super) run: String,
    pub(super) cwd: String,
    /// Its port, and whether it is told by the variable `PORT`.
    pub(super) port: Option<(String, bool)>,
    pub(super) seen: String,
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    /// Name, command and folder of each task.
    pub(super) tasks: Vec<(String, String, String)>,
    pub(super) seen: String,
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// People look at it.
    Page,
    /// Programs ask it.
    Server,
}

impl App {
    /// An app of which only the folder's name is known.
    pub(super) fn new(root: &Utf8Path) -> Self {
        Self { name: harmless(root.file_name().unwrap_or_default(), "app"), ..Self::default() }
    }

    /// A name that no process has yet, like `name`.
    pub(super) fn free_name(&self, name: &str) -> String {
        let name = harmless(name, "app");
        let taken = |name: &str| self.processes.iter().any(|process| process.name == name);
        let (mut free, mut number) = (name.clone(), 1);
        while taken(&free) {
            number += 1;
            free = format!("{name}-{number}");
        }
        free
    }

    /// Adds a port for the process `name`, if there is a base left.
    pub(super) fn add_port(&mut self, name: &str, face: Face) -> Option<String> {
        let bases = match face {
            Face::Page => &PAGES[..],
            Face::Server => &SERVERS[..],
        };
        let taken = |base: &u16| self.ports.values().any(|other| other == base);
        let base = *bases.iter().find(|base| !taken(base))?;
        self.ports.insert(name.to_owned(), base);
        Some(name.to_owned())
    }

    pub(super) fn require(
        &mut self,
        program: &'static str,
        version: Option<String>,
        install: &'static str,
        seen: &str,
    ) {
        if !self.require.iter().any(|other| other.program == program) {
            self.require.push(Require { program, version, install, seen: seen.to_owned() });
        }
    }

    pub(super) fn uses(&mut self, service: Service, seen: impl Into<String>) {
        self.services.entry(service).or_insert_with(|| seen.into());
    }

    /// Adds to a stage, unless it already has what was seen elsewhere.
    pub(super) fn check(&mut self, stage: &'static str, task: &str, run: String, cwd: &str, seen: &str) {
        let entry = (harmless(task, "all"), run, cwd.to_owned());
        match self.stages.iter_mut().find(|other| other.name == stage) {
            Some(other) if other.tasks.iter().any(|(name, ..)| *name == entry.0) => {}
            Some(other) => other.tasks.push(entry),
            None => self.stages.push(Stage { name: stage, tasks: vec![entry], seen: seen.to_owned() }),
        }
    }

    /// Says what is missing.
    pub(super) fn finish(&mut self) {
        if self.processes.is_empty() {
            self.open.push("no process could be guessed: what starts this app?".to_owned());
        }
        if !self.services.contains_key(&Service::Postgres) {
            // Nothing to clone a template for.
            self.steps.clear();
        } else if self.steps.iter().all(|step| step.inputs.is_empty()) {
            self.open.push("no migrations could be guessed: the template database stays empty".to_owned());
        }
        let order = ["typecheck", "lint", "test-unit"];
        self.stages.sort_by_key(|stage| order.iter().position(|name| *name == stage.name));
    }
}

/// `name` with only what a name may have; `instead` when nothing is left.
pub(super) fn harmless(name: &str, instead: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let fine = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let text: String = name.chars().map(fine).take(40).collect();
    let text = text.trim_matches('-').to_owned();
    if text.is_empty() { instead.to_owned() } else { text }
}

//! What the types alone do not say: names, references, exactly-one-of, durations, ports.

use std::collections::HashSet;

use ignore::overrides::OverrideBuilder;
use indexmap::IndexMap;

use super::{
    de::Problem,
    names::{is_database, is_name, is_variable, no_name},
    near::suggestion,
    place::Place,
    texts::{self, below, entries, tasks},
    tree::Node,
};
use crate::{
    config::env_names,
    model::{
        duration,
        manifest::{Manifest, Process, Ready},
        memory, ports,
        step::{Plan, PlanError, Step},
    },
};

/// Where a finding stands is asked from `root` only when there is one.
struct Checker<'a> {
    manifest: &'a Manifest,
    root: &'a Node,
}

/// Checks `manifest`, which was read from `root`, the tree of `sources`.
pub(super) fn check(manifest: &Manifest, root: &Node, sources: &[&str]) -> Result<(), Problem> {
    let checker = Checker { manifest, root };
    checker.names()?;
    checker.variables()?;
    checker.ports()?;
    checker.infra()?;
    checker.template()?;
    checker.processes()?;
    checker.verify()?;
    texts::check(manifest, root, sources)
}

impl Checker<'_> {
    fn fail<T>(&self, place: &Place, message: impl Into<String>) -> Result<T, Problem> {
        Err(Problem::at(place.origin(self.root), message.into()))
    }

    fn names(&self) -> Result<(), Problem> {
        let manifest = self.manifest;
        if !is_name(&manifest.name) {
            return self.fail(&Place::top("name"), no_name(&manifest.name));
        }
        self.unique(&Place::top("prepare"), manifest.prepare.iter().map(|entry| &entry.name))?;
        let template = Place::top("template");
        self.unique(&template.key("step"), manifest.template.step.iter().map(|step| &step.name))?;
        self.unique(&template.key("after_clone"), manifest.template.after_clone.iter().map(|step| &step.name))?;
        self.unique(&Place::top("process"), manifest.process.iter().map(|process| &process.name))?;
        let stages = Place::top("verify").key("stage");
        self.unique(&stages, manifest.verify.stage.iter().map(|stage| &stage.name))?;
        for (at, stage) in below(&stages, &manifest.verify.stage) {
            if stage.tasks.is_empty() {
                return self.fail(&at.key("tasks"), "a stage needs at least one task");
            }
            self.keys(&at.key("tasks"), &stage.tasks)?;
        }
        self.keys(&Place::top("ports"), &manifest.ports)?;
        self.keys(&Place::top("urls"), &manifest.urls)
    }

    fn unique<'n>(&self, list: &Place, names: impl Iterator<Item = &'n String>) -> Result<(), Problem> {
        let mut seen = HashSet::new();
        for (index, name) in names.enumerate() {
            let place = list.index(index).key("name");
            if !is_name(name) {
                return self.fail(&place, no_name(name));
            }
            if !seen.insert(name) {
                return self.fail(&place, format!("the name `{name}` is given twice"));
            }
        }
        Ok(())
    }

    fn keys<T>(&self, table: &Place, map: &IndexMap<String, T>) -> Result<(), Problem> {
        match map.keys().find(|name| !is_name(name)) {
            Some(name) => self.fail(&table.key(name).itself(), no_name(name)),
            None => Ok(()),
        }
    }

    fn variables(&self) -> Result<(), Problem> {
        let manifest = self.manifest;
        self.environment(&Place::top("env"), &manifest.env)?;
        for (at, entry) in entries("prepare", &manifest.prepare) {
            self.environment(&at.key("env"), &entry.env)?;
        }
        for (at, step) in below(&Place::top("template").key("step"), &manifest.template.step) {
            self.environment(&at.key("env"), &step.env)?;
        }
        for (at, process) in entries("process", &manifest.process) {
            self.environment(&at.key("env"), &process.env)?;
        }
        for (at, task) in tasks(self.manifest) {
            self.environment(&at.key("env"), &task.env)?;
        }
        Ok(())
    }

    fn environment(&self, place: &Place, env: &IndexMap<String, String>) -> Result<(), Problem> {
        for name in env.keys() {
            let at = place.key(name).itself();
            if !is_variable(name) {
                let rule = "letters, digits and `_`, the first no digit";
                return self.fail(&at, format!("{name:?} cannot be a variable's name: {rule}"));
            }
            if name == env_names::STACK {
                return self.fail(&at, format!("{name} is set by the harness itself"));
            }
        }
        Ok(())
    }

    fn ports(&self) -> Result<(), Problem> {
        let place = Place::top("ports");
        for (name, base) in &self.manifest.ports {
            if let Err(error) = ports::check_base(*base) {
                return self.fail(&place.key(name), error.to_string());
            }
        }
        let mut seen: IndexMap<u16, &str> = IndexMap::new();
        for (name, base) in &self.manifest.ports {
            if let Some(other) = seen.insert(*base, name) {
                return self.fail(&place.key(name), format!("`{name}` and `{other}` have the same base {base}"));
            }
        }
        Ok(())
    }

    fn infra(&self) -> Result<(), Problem> {
        let place = Place::top("infra");
        let infra = &self.manifest.infra;
        let mut seen = HashSet::new();
        for (index, service) in infra.services.iter().enumerate() {
            if !seen.insert(service) {
                return self.fail(&place.key("services").index(index), "this service is named twice");
            }
        }
        for (index, extension) in infra.extensions.iter().enumerate() {
            if !is_name(extension) {
                return self.fail(&place.key("extensions").index(index), no_name(extension));
            }
        }
        if let Err(error) = ports::check_infra(&infra.ports) {
            return self.fail(&place.key("ports").key(error.name()), error.to_string());
        }
        for (name, path) in [("postgres", &infra.programs.postgres), ("browser", &infra.programs.browser)] {
            if path.as_ref().is_some_and(|path| !path.is_absolute()) {
                return self.fail(&place.key("programs").key(name), "this path must start with `/`");
            }
        }
        Ok(())
    }

    fn template(&self) -> Result<(), Problem> {
        let place = Place::top("template");
        let template = &self.manifest.template;
        if let Some(database) = &template.database {
            let at = place.key("database");
            if !is_database(database) {
                let rule = "lower-case letters, digits and `_`, the first no digit, at most 63";
                return self.fail(&at, format!("{database:?} cannot be a database's name: {rule}"));
            }
            if ["postgres", "template0", "template1"].contains(&database.as_str()) || database.starts_with("agent_") {
                return self.fail(&at, format!("the name `{database}` belongs to the server or to an agent"));
            }
        }
        for (at, step) in below(&place.key("step"), &template.step) {
            self.duration(&at.key("timeout"), step.timeout.as_deref())?;
        }
        for (at, step) in below(&place.key("after_clone"), &template.after_clone) {
            self.exactly_one(&at, &[("sql", step.sql.is_some()), ("run", step.run.is_some())])?;
            if step.sql.is_some() && step.cwd.is_some() {
                return self.fail(&at.key("cwd").itself(), "`cwd` belongs to `run`, not to `sql`");
            }
        }
        Ok(())
    }

    fn processes(&self) -> Result<(), Problem> {
        let processes = &self.manifest.process;
        let names = processes.iter().map(|process| process.name.as_str());
        for (at, process) in entries("process", processes) {
            for (index, after) in process.after.iter().enumerate() {
                if !names.clone().any(|name| name == after) {
                    let message = format!("unknown process `{after}`{}", suggestion(after, names.clone()));
                    return self.fail(&at.key("after").index(index), message);
                }
            }
            self.duration(&at.key("stop_grace"), process.stop_grace.as_deref())?;
            if let Some(ready) = &process.ready {
                self.ready(&at.key("ready"), ready)?;
            }
            if !process.watch_ignore.is_empty() && process.watch.is_empty() {
                return self.fail(&at.key("watch_ignore").itself(), "`watch_ignore` without `watch` ignores nothing");
            }
        }
        let steps = processes.iter().map(|Process { name, after, .. }| Step::new(name, after)).collect();
        match Plan::new(steps) {
            Err(PlanError::Cycle(cycle)) => {
                let index = processes.iter().position(|process| Some(&process.name) == cycle.first()).unwrap_or(0);
                let place = Place::top("process").index(index).key("after");
                self.fail(&place, format!("these processes wait for each other: {}", cycle.join(" → ")))
            }
            Err(error) => self.fail(&Place::top("process"), error.to_string()),
            Ok(_) => Ok(()),
        }
    }

    fn ready(&self, at: &Place, ready: &Ready) -> Result<(), Problem> {
        let given = [
            ("http", ready.http.is_some()),
            ("tcp", ready.tcp.is_some()),
            ("log", ready.log.is_some()),
            ("command", ready.command.is_some()),
        ];
        self.exactly_one(at, &given)?;
        self.duration(&at.key("timeout"), ready.timeout.as_deref())?;
        match (&ready.http, &ready.port) {
            (Some(_), None) => return self.fail(at, "`http` needs `port`, the name of the port it asks"),
            (None, Some(_)) => return self.fail(&at.key("port").itself(), "`port` belongs to `http`"),
            _ => {}
        }
        if ready.http.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return self.fail(&at.key("http"), "the path must start with `/`");
        }
        for (key, port) in [("port", &ready.port), ("tcp", &ready.tcp)] {
            if let Some(port) = port
                && !self.manifest.ports.contains_key(port)
            {
                let known = self.manifest.ports.keys().map(String::as_str);
                return self.fail(&at.key(key), format!("unknown port `{port}`{}", suggestion(port, known)));
            }
        }
        self.pattern(&at.key("log"), ready.log.as_deref())
    }

    fn verify(&self) -> Result<(), Problem> {
        let place = Place::top("verify");
        let verify = &self.manifest.verify;
        // git would take a leading `-` for an option, and a line break ends no branch's name.
        if let Some(base) = &verify.base
            && (base.is_empty() || base.starts_with('-') || base.contains(|c: char| c.is_control() || c == ' '))
        {
            return self.fail(&place.key("base"), format!("{base:?} cannot be a branch"));
        }
        for (index, glob) in verify.all_on_change.iter().enumerate() {
            if let Err(error) = OverrideBuilder::new("/").add(glob) {
                return self.fail(&place.key("all_on_change").index(index), format!("this is no glob: {error}"));
            }
        }
        for (at, task) in tasks(self.manifest) {
            self.duration(&at.key("timeout"), task.timeout.as_deref())?;
            self.pattern(&at.key("expect"), task.expect.as_deref())?;
            if let Some(Err(error)) = task.memory.as_deref().map(memory::parse) {
                return self.fail(&at.key("memory"), error.to_string());
            }
        }
        Ok(())
    }

    fn pattern(&self, place: &Place, text: Option<&str>) -> Result<(), Problem> {
        match text.map(regex::Regex::new) {
            Some(Err(error)) => {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.fail(place, format!("this is no regular expression: {reason}"))
            }
            _ => Ok(()),
        }
    }

    fn duration(&self, place: &Place, text: Option<&str>) -> Result<(), Problem> {
        match text.map(duration::parse) {
            Some(Err(error)) => self.fail(place, error.to_string()),
            _ => Ok(()),
        }
    }

    fn exactly_one(&self, place: &Place, given: &[(&str, bool)]) -> Result<(), Problem> {
        let names = given.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let mut present = given.iter().filter(|(_, given)| *given);
        match (present.next(), present.next()) {
            (Some(_), None) => Ok(()),
            (None, _) => self.fail(place, format!("one of {names} is needed")),
            (Some((first, _)), Some((second, _))) => {
                let message = format!("only one of {names} can be given, and `{first}` is");
                self.fail(&place.key(second).itself(), message)
            }
        }
    }
}

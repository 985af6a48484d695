//! Every text of a manifest in which names are substituted, with its place and what it is for.

use camino::Utf8Path;

use super::{de::Problem, near::suggestion, place::Place, tree::Node};
use crate::{
    config::text::{self, Piece, TextError, VERIFY_BASE, is_secret, known_names},
    model::{
        env_value::quote,
        manifest::{Manifest, Task},
    },
};

/// What a text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Goes into an environment or into SQL: may carry secrets.
    Private,
    /// Goes into the environment file as well.
    Written,
    /// Is shown or becomes a path.
    Shown,
    /// Is a folder inside of the workdir.
    Folder,
    /// Becomes program and arguments, which every user of the machine can read.
    Command,
    /// The same, of a task that is run on what changed.
    Comparison,
}

/// Checks all texts of `manifest`.
pub(super) fn check(manifest: &Manifest, root: &Node, sources: &[&str]) -> Result<(), Problem> {
    let names = known_names(manifest);
    let mut result = Ok(());
    each(manifest, &mut |place, purpose, text| {
        if result.is_ok() {
            result = check_one(&names, purpose, text).map_err(|(nth, message)| {
                let mut origin = place.origin(root);
                // A basic string may hide a brace behind an escape; then the whole text is pointed at.
                let written = sources[origin.source].get(origin.span.clone()).unwrap_or_default();
                if let Some((at, _)) = nth.and_then(|nth| written.match_indices("{{").nth(nth)) {
                    let length = written[at..].find("}}").map_or(2, |end| end + 2);
                    origin.span = origin.span.start + at..origin.span.start + at + length;
                }
                Problem::at(origin, message)
            });
        }
    });
    result
}

fn check_one(names: &[String], purpose: Use, text: &str) -> Result<(), (Option<usize>, String)> {
    if text.contains('\0') {
        return Err((None, "a NUL character can stand in no command, path or environment".to_owned()));
    }
    let own = (purpose == Use::Comparison).then(|| VERIFY_BASE.to_owned());
    let names: Vec<String> = names.iter().cloned().chain(own).collect();
    let known = |name: &str| names.iter().any(|known| known == name).then(|| "1".to_owned());
    let explain = |error: TextError| {
        let message = match &error {
            TextError::Unknown { name, .. } => unknown(name, &names),
            _ => error.to_string(),
        };
        (error.nth(), message)
    };
    for piece in text::parse(text).map_err(explain)? {
        let Piece::Name { name, nth } = piece else { continue };
        if known(&name).is_none() {
            if name == VERIFY_BASE {
                return Err((Some(nth), format!("`{name}` is known in `changed` of a task only")));
            }
            return Err((Some(nth), unknown(&name, &names)));
        }
        if !matches!(purpose, Use::Private | Use::Written) && is_secret(&name) {
            let message = format!("`{name}` is secret and this text can be seen by others: give it in `env`");
            return Err((Some(nth), message));
        }
    }
    match purpose {
        Use::Command | Use::Comparison => drop(text::argv(text, known).map_err(explain)?),
        Use::Folder if !text.contains("{{") => {
            // Only an absolute folder depends on where the workdir is, and it may well be inside.
            if text.starts_with('/') {
                return Err((None, format!("{text:?} is absolute: a folder is given relative to the workdir")));
            }
            if text::inside(Utf8Path::new("/workdir"), Some(text)).is_err() {
                return Err((None, format!("{text:?} leaves the workdir")));
            }
        }
        Use::Written => {
            let value = text::substitute(text, known).map_err(explain)?;
            if let Err(error) = quote(&value) {
                return Err((
                    None,
                    format!("{error} (the `env` of a process is not written to the file and takes any)"),
                ));
            }
        }
        Use::Private | Use::Shown | Use::Folder => {}
    }
    Ok(())
}

fn unknown(name: &str, names: &[String]) -> String {
    let service = name.split_once('.').map(|(service, _)| service);
    if let Some(service @ ("postgres" | "s3" | "mail" | "browser")) = service
        && !names.iter().any(|known| known.split_once('.').is_some_and(|(known, _)| known == service))
    {
        return format!("unknown name `{name}`: `infra.services` leaves out {service}");
    }
    format!("unknown name `{name}`{}", suggestion(name, names.iter().map(String::as_str)))
}

fn each(manifest: &Manifest, visit: &mut dyn FnMut(Place, Use, &str)) {
    let mut map = |place: &Place, purpose, texts: &indexmap::IndexMap<String, String>| {
        for (name, text) in texts {
            visit(place.key(name), purpose, text);
        }
    };
    map(&Place::top("urls"), Use::Shown, &manifest.urls);
    map(&Place::top("env"), Use::Written, &manifest.env);
    for (at, entry) in entries("prepare", &manifest.prepare) {
        map(&at.key("env"), Use::Private, &entry.env);
    }
    for (at, step) in below(&Place::top("template").key("step"), &manifest.template.step) {
        map(&at.key("env"), Use::Private, &step.env);
    }
    for (at, process) in entries("process", &manifest.process) {
        map(&at.key("env"), Use::Private, &process.env);
    }
    for (at, task) in tasks(manifest) {
        map(&at.key("env"), Use::Private, &task.env);
    }
    let mut optional = |place: Place, purpose, text: Option<&String>| {
        if let Some(text) = text {
            visit(place, purpose, text);
        }
    };
    for (at, entry) in entries("prepare", &manifest.prepare) {
        optional(at.key("run"), Use::Command, Some(&entry.run));
        optional(at.key("cwd"), Use::Folder, entry.cwd.as_ref());
    }
    for (at, step) in below(&Place::top("template").key("step"), &manifest.template.step) {
        optional(at.key("run"), Use::Command, Some(&step.run));
        optional(at.key("cwd"), Use::Folder, step.cwd.as_ref());
    }
    for (at, step) in below(&Place::top("template").key("after_clone"), &manifest.template.after_clone) {
        optional(at.key("sql"), Use::Private, step.sql.as_ref());
        optional(at.key("run"), Use::Command, step.run.as_ref());
        optional(at.key("cwd"), Use::Folder, step.cwd.as_ref());
    }
    for (at, process) in entries("process", &manifest.process) {
        optional(at.key("run"), Use::Command, Some(&process.run));
        optional(at.key("cwd"), Use::Folder, process.cwd.as_ref());
        if let Some(ready) = &process.ready {
            optional(at.key("ready").key("http"), Use::Shown, ready.http.as_ref());
            optional(at.key("ready").key("command"), Use::Command, ready.command.as_ref());
        }
    }
    for (at, task) in tasks(manifest) {
        // Written as a text, the task is its command.
        optional(at.key("run"), Use::Command, Some(&task.run));
        optional(at.key("changed"), Use::Comparison, task.changed.as_ref());
        optional(at.key("cwd"), Use::Folder, task.cwd.as_ref());
    }
    let worktree = Place::top("worktree");
    optional(worktree.key("dir"), Use::Shown, Some(&manifest.worktree.dir));
    optional(worktree.key("prepare"), Use::Command, manifest.worktree.prepare.as_ref());
    optional(Place::top("session").key("run"), Use::Command, Some(&manifest.session.run));
}

/// All tasks of all stages.
pub(super) fn tasks(manifest: &Manifest) -> impl Iterator<Item = (Place, &Task)> {
    let stages = below(&Place::top("verify").key("stage"), &manifest.verify.stage);
    stages.flat_map(|(at, stage)| stage.tasks.iter().map(move |(name, task)| (at.key("tasks").key(name), task)))
}

/// The entries of the list at the top-level key `name`.
pub(super) fn entries<'a, T>(name: &str, list: &'a [T]) -> impl Iterator<Item = (Place, &'a T)> + use<'a, T> {
    below(&Place::top(name), list)
}

/// The entries of the list at `place`.
pub(super) fn below<'a, T>(place: &Place, list: &'a [T]) -> impl Iterator<Item = (Place, &'a T)> + use<'a, T> {
    let place = place.clone();
    list.iter().enumerate().map(move |(index, entry)| (place.index(index), entry))
}

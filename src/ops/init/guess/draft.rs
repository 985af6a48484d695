//! Writes what is known as a manifest.

use std::fmt::Write as _;

use super::app::{App, Process, Stage, Step};
use crate::model::manifest::Service;

/// The manifest's text.
pub(super) fn render(app: &App) -> String {
    let mut text = String::new();
    text.push_str(
        "# What the harness must know of this app; written by `agent-harness init` from what it saw in this\n",
    );
    text.push_str("# checkout. Look at the guesses. `agent-harness schema --example` shows and explains every key.\n");
    line(&mut text, format_args!("name = {}", quoted(&app.name)));
    for require in &app.require {
        line(&mut text, format_args!("\n[[require]]{}", guessed(&require.seen)));
        line(&mut text, format_args!("program = {}", quoted(require.program)));
        if let Some(version) = &require.version {
            line(&mut text, format_args!("version = {}", quoted(version)));
        }
        line(&mut text, format_args!("install = {}", quoted(require.install)));
    }
    ports(app, &mut text);
    infra(app, &mut text);
    for prepare in &app.prepare {
        line(&mut text, format_args!("\n[[prepare]]{}", guessed(&prepare.seen)));
        line(&mut text, format_args!("name    = {}", quoted(prepare.name)));
        line(&mut text, format_args!("run     = {}", quoted(&prepare.run)));
        line(&mut text, format_args!("inputs  = {}", list(&prepare.inputs)));
        line(&mut text, format_args!("outputs = {}", list(&prepare.outputs)));
    }
    steps(app, &mut text);
    env(app, &mut text);
    for process in &app.processes {
        self::process(process, &mut text);
    }
    if app.processes.is_empty() {
        text.push_str(concat!(
            "\n# [[process]]\n# name  = \"web\"\n# run   = \"what starts the app, on port {{ ports.web }}\"\n",
            "# ready = { http = \"/\", port = \"web\", timeout = \"2m\" }\n"
        ));
    }
    for stage in &app.stages {
        self::stage(stage, &mut text);
    }
    if !app.clone.is_empty() || !app.copy.is_empty() {
        text.push_str("\n[worktree]                    # what git ignores and a worktree needs\n");
        line(&mut text, format_args!("clone = {}", list(&app.clone)));
        line(&mut text, format_args!("copy  = {}", list(&app.copy)));
    }
    text
}

fn ports(app: &App, text: &mut String) {
    if app.ports.is_empty() {
        text.push_str("\n# [ports]                       # port = base + 10 * id\n# web = 3000\n");
        return;
    }
    text.push_str("\n[ports]                       # port = base + 10 * id\n");
    for (name, base) in &app.ports {
        line(text, format_args!("{name} = {base}"));
    }
    text.push_str("\n[urls]\n");
    for name in app.ports.keys() {
        line(text, format_args!("{name} = \"http://localhost:{{{{ ports.{name} }}}}\""));
    }
}

fn infra(app: &App, text: &mut String) {
    text.push_str("\n[infra]                       # known are postgres, s3, browser, mail\n");
    for (service, seen) in &app.services {
        line(text, format_args!("# {}: guessed from {}", service.name(), comment(seen)));
    }
    let names: Vec<String> = app.services.keys().map(|service| service.name().to_owned()).collect();
    line(text, format_args!("services = {}", list(&names)));
    if app.services.contains_key(&Service::Postgres) {
        text.push_str("# extensions = [\"citext\"]       # of PostgreSQL, made by the superuser\n");
    }
}

fn steps(app: &App, text: &mut String) {
    let has_postgres = app.services.contains_key(&Service::Postgres);
    if has_postgres && app.steps.is_empty() {
        text.push_str(concat!(
            "\n# [[template.step]]             # what makes the database that agents are cloned from\n",
            "# name    = \"migrate\"\n# run     = \"what migrates\"\n# inputs  = [\"migrations/**\"]\n# forward = true\n"
        ));
    }
    for Step { name, run, cwd, inputs, forward, seen } in &app.steps {
        let mut step = String::new();
        line(&mut step, format_args!("[[template.step]]{}", guessed(seen)));
        line(&mut step, format_args!("name    = {}", quoted(name)));
        line(&mut step, format_args!("run     = {}", quoted(run)));
        if !cwd.is_empty() {
            line(&mut step, format_args!("cwd     = {}", quoted(cwd)));
        }
        if inputs.is_empty() {
            step.push_str("inputs  = []                  # globs of what it depends on\n");
        } else {
            line(&mut step, format_args!("inputs  = {}", list(inputs)));
        }
        if *forward {
            step.push_str("forward = true                # a new migration runs on top of the last template\n");
        }
        text.push('\n');
        for entry in step.lines() {
            line(text, format_args!("{}{entry}", if inputs.is_empty() { "# " } else { "" }));
        }
    }
}

fn env(app: &App, text: &mut String) {
    text.push_str("\n[env]                         # written to .env.agent.<id> and given to every process\n");
    for (name, (value, seen)) in &app.env {
        line(text, format_args!("{name} = {}{}", quoted(value), guessed(seen)));
    }
}

fn process(process: &Process, text: &mut String) {
    line(text, format_args!("\n[[process]]{}", guessed(&process.seen)));
    line(text, format_args!("name  = {}", quoted(&process.name)));
    if !process.cwd.is_empty() {
        line(text, format_args!("cwd   = {}", quoted(&process.cwd)));
    }
    line(text, format_args!("run   = {}", quoted(&process.run)));
    let Some((port, by_variable)) = &process.port else { return };
    if *by_variable {
        line(text, format_args!("env   = {{ PORT = \"{{{{ ports.{port} }}}}\" }}"));
    }
    line(text, format_args!("ready = {{ tcp = {}, timeout = \"2m\" }}", quoted(port)));
}

fn stage(stage: &Stage, text: &mut String) {
    line(text, format_args!("\n[[verify.stage]]{}", guessed(&stage.seen)));
    line(text, format_args!("name = {}", quoted(stage.name)));
    for (name, run, cwd) in &stage.tasks {
        let cwd = if cwd.is_empty() { String::new() } else { format!(", cwd = {}", quoted(cwd)) };
        line(text, format_args!("tasks.{name} = {{ run = {}{cwd} }}", quoted(run)));
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a text takes every line");
}

fn guessed(seen: &str) -> String {
    format!("   # guessed from {}", comment(seen))
}

/// `text` as it may stand in a comment: on one line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(100).collect()
}

/// A basic string of TOML; JSON's differs only in DEL.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is plain JSON").replace('\u{7f}', "\\u007F")
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

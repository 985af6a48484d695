//! Apps of Python: package manager, framework, checks.

use camino::Utf8Path;
use regex::Regex;

use super::{
    app::{App, Face, Prepare, Process, Step, harmless},
    read::{first, text, toml},
};
use crate::model::manifest::Service;

/// Files in which an app's object may be made.
const MODULES: [&str; 8] =
    ["main.py", "app.py", "app/main.py", "src/main.py", "api.py", "wsgi.py", "app/__init__.py", "src/app.py"];
const SERVICES: [(&str, Service); 9] = [
    ("psycopg", Service::Postgres),
    ("psycopg2", Service::Postgres),
    ("psycopg2-binary", Service::Postgres),
    ("asyncpg", Service::Postgres),
    ("boto3", Service::S3),
    ("minio", Service::S3),
    ("django-storages", Service::S3),
    ("playwright", Service::Browser),
    ("aiosmtplib", Service::Mail),
];

/// How commands of the app's own environment are run: `<before>pytest`.
struct Python {
    before: &'static str,
    /// Names of what it depends on, in small letters.
    depends: Vec<String>,
}

impl Python {
    fn depends_on(&self, name: &str) -> bool {
        self.depends.iter().any(|other| other == name)
    }
}

/// Looks for a Python app in the checkout at `root`.
pub(super) fn look(root: &Utf8Path, app: &mut App) {
    let project = toml(&root.join("pyproject.toml"));
    let requirements = text(&root.join("requirements.txt"));
    if project.is_none() && requirements.is_none() && !root.join("manage.py").is_file() {
        return;
    }
    let of_project = project.as_ref().and_then(|table| table.get("project")).and_then(|project| project.as_table());
    if let Some(name) = of_project.and_then(|project| project.get("name")).and_then(|name| name.as_str())
        && app.require.is_empty()
    {
        app.name = harmless(name, &app.name);
    }
    app.require("python3", None, "apt-get install python3", "the files of Python");
    let depends = depends(project.as_ref(), requirements.as_deref());
    let python = Python { before: install(root, depends.is_empty(), app), depends };
    for (name, service) in SERVICES {
        if python.depends_on(name) {
            app.uses(service, format!("the dependency {name}"));
        }
    }
    process(root, &python, app);
    if root.join("alembic.ini").is_file() {
        app.uses(Service::Postgres, "alembic.ini");
        let place = first(root, &["alembic/versions", "migrations/versions", "app/alembic/versions"]);
        let inputs = place.map(|place| format!("{place}/*.py")).into_iter().collect();
        let run = format!("{}alembic upgrade head", python.before);
        let seen = "alembic.ini".to_owned();
        app.steps.push(Step { name: "migrate", run, cwd: String::new(), inputs, forward: true, seen });
    }
    for (stage, tool, command) in
        [("typecheck", "mypy", "mypy ."), ("lint", "ruff", "ruff check"), ("test-unit", "pytest", "pytest")]
    {
        if python.depends_on(tool) {
            app.check(stage, "python", format!("{}{command}", python.before), "", &format!("the dependency {tool}"));
        }
    }
}

/// The names of what is depended on.
fn depends(project: Option<&toml::Table>, requirements: Option<&str>) -> Vec<String> {
    let mut texts: Vec<String> = requirements.unwrap_or_default().lines().map(str::to_owned).collect();
    let table = |path: &[&str]| {
        let mut value = project?.get(path[0])?;
        for key in &path[1..] {
            value = value.get(key)?;
        }
        Some(value.clone())
    };
    let mut lists = vec![table(&["project", "dependencies"])];
    for groups in [table(&["project", "optional-dependencies"]), table(&["dependency-groups"])].into_iter().flatten() {
        lists.extend(groups.as_table().into_iter().flat_map(|groups| groups.values().cloned().map(Some)));
    }
    for list in lists.into_iter().flatten() {
        texts.extend(list.as_array().into_iter().flatten().filter_map(|entry| Some(entry.as_str()?.to_owned())));
    }
    for path in [&["tool", "poetry", "dependencies"][..], &["tool", "poetry", "group", "dev", "dependencies"]] {
        let keys =
            table(path).and_then(|table| table.as_table().map(|table| table.keys().cloned().collect::<Vec<_>>()));
        texts.extend(keys.into_iter().flatten().filter(|name| name != "python"));
    }
    let name = |text: &String| {
        let name: String =
            text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        Some(name.to_lowercase().replace('_', "-")).filter(|name| !name.is_empty() && !name.starts_with('-'))
    };
    texts.iter().filter_map(name).collect()
}

/// Adds what installs the app; what stands before its commands.
fn install(root: &Utf8Path, nothing_to_install: bool, app: &mut App) -> &'static str {
    let managers = [
        ("uv.lock", "uv", "uv sync --frozen", "uv run --frozen ", "pip install uv"),
        ("poetry.lock", "poetry", "poetry install --no-interaction", "poetry run ", "pip install poetry"),
        ("Pipfile.lock", "pipenv", "pipenv sync --dev", "pipenv run ", "pip install pipenv"),
    ];
    for (lock, program, run, before, hint) in managers {
        if root.join(lock).is_file() {
            app.require(program, None, hint, lock);
            let inputs = ["pyproject.toml", "Pipfile", lock].into_iter().filter(|file| root.join(file).is_file());
            let inputs = inputs.map(str::to_owned).collect();
            // Only uv's environment always lies in the checkout.
            let outputs = if program == "uv" { vec![".venv".to_owned()] } else { Vec::new() };
            app.prepare.push(Prepare {
                name: "install-python",
                run: run.to_owned(),
                inputs,
                outputs,
                seen: lock.to_owned(),
            });
            return before;
        }
    }
    if nothing_to_install {
        return "";
    }
    let (source, file) = if root.join("requirements.txt").is_file() {
        ("-r requirements.txt", "requirements.txt")
    } else {
        ("-e .", "pyproject.toml")
    };
    let run = format!("sh -c 'python3 -m venv .venv && .venv/bin/pip install --quiet {source}'");
    let (inputs, outputs) = (vec![file.to_owned()], vec![".venv".to_owned()]);
    app.prepare.push(Prepare { name: "install-python", run, inputs, outputs, seen: file.to_owned() });
    ".venv/bin/"
}

fn process(root: &Utf8Path, python: &Python, app: &mut App) {
    let before = python.before;
    let found = if root.join("manage.py").is_file() {
        let run = format!("{before}python manage.py runserver 127.0.0.1:{{{{ ports.PORT }}}}");
        let run = if before.is_empty() { run.replacen("python", "python3", 1) } else { run };
        if python.depends_on("django") && app.services.contains_key(&Service::Postgres) {
            let run = format!("{before}python manage.py migrate");
            let (inputs, seen) = (vec!["**/migrations/*.py".to_owned()], "manage.py".to_owned());
            app.steps.push(Step { name: "migrate", run, cwd: String::new(), inputs, forward: true, seen });
        }
        Some((run, "manage.py".to_owned()))
    } else {
        object(root).map(|(file, module, object, is_flask)| {
            let run = if is_flask {
                format!("{before}flask --app {module}:{object} run --host 127.0.0.1 --port {{{{ ports.PORT }}}}")
            } else {
                format!("{before}uvicorn {module}:{object} --host 127.0.0.1 --port {{{{ ports.PORT }}}}")
            };
            (run, file.to_owned())
        })
    };
    let Some((run, seen)) = found else { return };
    let (name, face) = if app.processes.is_empty() { ("web", Face::Page) } else { ("api", Face::Server) };
    let name = app.free_name(name);
    let Some(port) = app.add_port(&name, face) else { return };
    let run = run.replace("ports.PORT", &format!("ports.{port}"));
    app.processes.push(Process { name, run, cwd: String::new(), port: Some((port, false)), seen });
}

/// File, module and name of the app's object, and whether Flask made it.
fn object(root: &Utf8Path) -> Option<(&'static str, String, String, bool)> {
    let made =
        Regex::new(r"(?m)^([A-Za-z_][A-Za-z0-9_]*)\s*(?::[^=\n]*)?=\s*(?:\w+\.)?(FastAPI|Starlette|Flask)\(").ok()?;
    MODULES.iter().find_map(|file| {
        let text = text(&root.join(file))?;
        let found = made.captures(&text)?;
        let module = file.trim_end_matches(".py").trim_end_matches("/__init__").replace('/', ".");
        Some((*file, module, found[1].to_owned(), &found[2] == "Flask"))
    })
}

//! Apps of Node.js: package manager, workspaces, scripts.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::{
    app::{App, Face, Prepare, Process, Step},
    read::{first, folders, is_plain, json, text},
};
use crate::model::manifest::Service;

/// What a script that starts a package is called, the likeliest first.
const STARTS: [&str; 6] = ["dev", "start:dev", "develop", "serve", "server", "start"];
const MIGRATES: [&str; 7] =
    ["migrate", "db:migrate", "migrate:latest", "migration:run", "migrations:run", "migrate:deploy", "prisma:migrate"];
const SEEDS: [&str; 3] = ["seed", "db:seed", "seed:run"];
/// Where migrations and seeds lie.
const MIGRATIONS: [&str; 8] = [
    "prisma/migrations",
    "migrations",
    "db/migrations",
    "database/migrations",
    "src/migrations",
    "src/db/migrations",
    "src/database/migrations",
    "drizzle",
];
const SEED_FILES: [&str; 8] = [
    "prisma/seed.ts",
    "prisma/seed.js",
    "seeds",
    "db/seeds",
    "src/seeds",
    "src/database/seeds",
    "src/seed.ts",
    "src/seed.js",
];
/// Packages that serve pages to people, with the words that tell them their port.
const PAGES: [(&str, &str); 10] = [
    ("vite", "--strictPort --port"),
    ("next", "--port"),
    ("nuxt", "--port"),
    ("astro", "--port"),
    ("@angular/cli", "--port"),
    ("gatsby", "--port"),
    ("@remix-run/dev", "--port"),
    ("webpack-dev-server", "--port"),
    ("parcel", "--port"),
    ("react-scripts", ""),
];
/// Packages that serve programs; they are told their port by `PORT`.
const SERVERS: [&str; 12] = [
    "express",
    "fastify",
    "koa",
    "@hapi/hapi",
    "hono",
    "@hono/node-server",
    "@nestjs/core",
    "polka",
    "restify",
    "@apollo/server",
    "socket.io",
    "ws",
];
/// Packages that tell of a service.
const SERVICES: [(&str, Service); 16] = [
    ("pg", Service::Postgres),
    ("postgres", Service::Postgres),
    ("pg-promise", Service::Postgres),
    ("@neondatabase/serverless", Service::Postgres),
    ("@aws-sdk/client-s3", Service::S3),
    ("aws-sdk", Service::S3),
    ("minio", Service::S3),
    ("multer-s3", Service::S3),
    ("nodemailer", Service::Mail),
    ("@nestjs-modules/mailer", Service::Mail),
    ("email-templates", Service::Mail),
    ("puppeteer", Service::Browser),
    ("puppeteer-core", Service::Browser),
    ("playwright-core", Service::Browser),
    ("browserless", Service::Browser),
    ("@prisma/adapter-pg", Service::Postgres),
];

/// A package manager.
#[derive(Clone, Copy)]
struct Manager {
    program: &'static str,
    lock: &'static str,
    install: &'static str,
    frozen: &'static str,
    /// What runs a program of a package.
    exec: &'static str,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "pnpm",
        lock: "pnpm-lock.yaml",
        install: "npm install --global pnpm",
        frozen: "pnpm install --frozen-lockfile",
        exec: "pnpm exec",
    },
    Manager {
        program: "yarn",
        lock: "yarn.lock",
        install: "npm install --global yarn",
        frozen: "yarn install --immutable",
        exec: "yarn",
    },
    Manager {
        program: "bun",
        lock: "bun.lock",
        install: "npm install --global bun",
        frozen: "bun install --frozen-lockfile",
        exec: "bunx",
    },
    Manager {
        program: "bun",
        lock: "bun.lockb",
        install: "npm install --global bun",
        frozen: "bun install --frozen-lockfile",
        exec: "bunx",
    },
    Manager {
        program: "npm",
        lock: "package-lock.json",
        install: "apt-get install npm",
        frozen: "npm ci",
        exec: "npx",
    },
];

/// One package.
struct Package {
    folder: Utf8PathBuf,
    json: Value,
}

impl Package {
    fn script(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| Some((*name, self.json["scripts"][*name].as_str()?)))
    }

    fn depends_on(&self, package: &str) -> bool {
        ["dependencies", "devDependencies"].iter().any(|kind| self.json[*kind][package].is_string())
    }

    fn has_dependencies(&self) -> bool {
        let some = |kind: &str| self.json[kind].as_object().is_some_and(|map| !map.is_empty());
        ["dependencies", "devDependencies"].iter().any(|kind| some(kind))
    }

    /// What it is called in a list of several.
    fn name(&self) -> &str {
        self.folder.file_name().or_else(|| self.json["name"].as_str()).unwrap_or("app")
    }

    fn at(&self, path: &str) -> String {
        self.folder.join(path).into_string()
    }
}

/// Looks for packages in the checkout at `root`.
pub(super) fn look(root: &Utf8Path, app: &mut App) {
    let Some(json) = json(&root.join("package.json")) else { return };
    if let Some(name) = json["name"].as_str() {
        app.name = super::app::harmless(name, &app.name);
    }
    let top = Package { folder: Utf8PathBuf::new(), json };
    let manager = manager(root, &top);
    let packages = packages(root, &top, app);
    require(root, &top, manager, app);
    if packages.iter().any(Package::has_dependencies) || top.has_dependencies() {
        install(root, &packages, manager, app);
    }
    for package in packages.iter().chain([&top]) {
        let seen = |name: &str| format!("{}: {name}", package.at("package.json"));
        let found = SERVICES.iter().filter(|(name, _)| package.depends_on(name));
        found.for_each(|(name, service)| app.uses(*service, seen(name)));
    }
    let starting: Vec<&Package> = packages.iter().filter(|package| package.script(&STARTS).is_some()).collect();
    let starting = if starting.is_empty() { vec![&top] } else { starting };
    let alone = starting.len() == 1;
    for package in starting {
        process(package, manager, alone, app);
    }
    for package in std::iter::once(&top).chain(&packages) {
        database(root, package, manager, app);
    }
    checks(&top, &packages, manager, app);
}

fn manager(root: &Utf8Path, top: &Package) -> Manager {
    let named = top.json["packageManager"].as_str().and_then(|text| text.split('@').next());
    let npm = MANAGERS[MANAGERS.len() - 1];
    let by_name = MANAGERS.iter().find(|manager| Some(manager.program) == named);
    let by_lock = MANAGERS.iter().find(|manager| root.join(manager.lock).is_file());
    let mut manager = by_lock.or(by_name).copied().unwrap_or(npm);
    // Yarn 1 has no --immutable, and its lock file says so in its first lines.
    if manager.program == "yarn" && text(&root.join("yarn.lock")).is_none_or(|lock| lock.contains("yarn lockfile v1")) {
        manager.frozen = "yarn install --frozen-lockfile";
    }
    manager
}

/// The workspaces. One whose path has more than plain letters is left out, and said.
fn packages(root: &Utf8Path, top: &Package, app: &mut App) -> Vec<Package> {
    let listed = &top.json["workspaces"];
    let listed = listed.as_array().or_else(|| listed["packages"].as_array());
    let mut patterns: Vec<String> =
        listed.into_iter().flatten().filter_map(|pattern| Some(pattern.as_str()?.to_owned())).collect();
    if let Some(yaml) = text(&root.join("pnpm-workspace.yaml")) {
        patterns.extend(yaml_list(&yaml, "packages"));
    }
    let mut found: Vec<Package> = Vec::new();
    for folder in patterns.iter().flat_map(|pattern| folders(root, pattern, "package.json")) {
        if !is_plain(folder.as_str()) {
            app.open.push(format!("the workspace {folder:?} was left out for its name"));
        } else if let Some(json) = json(&root.join(&folder).join("package.json"))
            && !found.iter().any(|package| package.folder == folder)
        {
            found.push(Package { folder, json });
        }
    }
    found
}

/// The entries `- x` below the key `key:` at the margin.
fn yaml_list(yaml: &str, key: &str) -> Vec<String> {
    let lines = yaml.lines().skip_while(|line| line.trim_end() != format!("{key}:")).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '-', '#']));
    let entry = |line: &str| Some(line.trim().strip_prefix("- ")?.trim().trim_matches(['\'', '"']).to_owned());
    lines.filter_map(entry).collect()
}

fn require(root: &Utf8Path, top: &Package, manager: Manager, app: &mut App) {
    let digits = |text: &str| {
        let version: String =
            text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        Some(version).filter(|version| !version.is_empty() && version.len() < 4)
    };
    let (version, seen) = match (top.json["engines"]["node"].as_str(), text(&root.join(".nvmrc"))) {
        (Some(engines), _) => (digits(engines), "package.json: engines"),
        (None, Some(nvmrc)) => (digits(&nvmrc), ".nvmrc"),
        (None, None) => (None, "package.json"),
    };
    app.require("node", version, "apt-get install nodejs   # older distributions: see nodejs.org", seen);
    let seen = if root.join(manager.lock).is_file() { manager.lock } else { "package.json" };
    app.require(manager.program, None, manager.install, seen);
}

fn install(root: &Utf8Path, packages: &[Package], manager: Manager, app: &mut App) {
    let locked = root.join(manager.lock).is_file();
    let run = if locked { manager.frozen.to_owned() } else { format!("{} install", manager.program) };
    let mut inputs = vec!["package.json".to_owned()];
    if locked {
        inputs.push(manager.lock.to_owned());
    }
    let mut parents: Vec<&Utf8Path> = packages.iter().filter_map(|package| package.folder.parent()).collect();
    parents.dedup();
    inputs.extend(parents.into_iter().map(|parent| parent.join("*/package.json").into_string()));
    let pnp = root.join(".pnp.cjs").exists();
    let outputs = vec![if pnp { ".pnp.cjs" } else { "node_modules" }.to_owned()];
    let seen = if locked { manager.lock } else { "package.json" };
    app.prepare.push(Prepare { name: "install", run, inputs, outputs, seen: seen.to_owned() });
    app.clone.push("**/node_modules".to_owned());
}

fn process(package: &Package, manager: Manager, alone: bool, app: &mut App) {
    let Some((script, command)) = package.script(&STARTS) else { return };
    let page = PAGES.iter().find(|(name, _)| {
        let program = name.rsplit('/').next().unwrap_or(name);
        package.depends_on(name) && (*name != "vite" || command.contains(program))
    });
    let server = SERVERS.iter().any(|name| package.depends_on(name));
    let name = app.free_name(if alone { "web" } else { package.name() });
    let face = match page {
        Some(_) => Some(Face::Page),
        None if server => Some(Face::Server),
        // What else would the only one do? A compiler that watches serves nothing.
        None if alone && !command.trim_start().starts_with("tsc") => Some(Face::Page),
        None => None,
    };
    let port = face.and_then(|face| app.add_port(&name, face));
    let flag = page.map_or("", |(_, flag)| flag);
    let mut run = format!("{} run {script}", manager.program);
    if let Some(port) = port.as_ref().filter(|_| !flag.is_empty()) {
        // Only npm keeps what follows for itself.
        let rest = if manager.program == "npm" { " --" } else { "" };
        run = format!("{run}{rest} {flag} {{{{ ports.{port} }}}}");
    }
    let seen = format!("{}: scripts.{script}", package.at("package.json"));
    let port = port.map(|port| (port, flag.is_empty()));
    app.processes.push(Process { name, run, cwd: package.folder.to_string(), port, seen });
}

fn database(root: &Utf8Path, package: &Package, manager: Manager, app: &mut App) {
    let folder = root.join(&package.folder);
    let cwd = package.folder.to_string();
    let prisma = folder.join("prisma/schema.prisma");
    if text(&prisma).is_some_and(|schema| schema.contains("\"postgresql\"")) {
        app.uses(Service::Postgres, package.at("prisma/schema.prisma"));
    }
    let mut add = |name, names: &[&'static str], places: &[&str], default: Option<String>| {
        let script = package.script(names).map(|(script, _)| script);
        let run = script.map(|script| format!("{} run {script}", manager.program)).or(default);
        let Some(run) = run.filter(|_| !app.steps.iter().any(|step| step.name == name)) else { return };
        let seen = script
            .map_or_else(|| package.at("prisma"), |script| format!("{}: scripts.{script}", package.at("package.json")));
        let place = first(&folder, places).map(|place| {
            let place = if folder.join(place).is_dir() { format!("{place}/**") } else { place.to_owned() };
            package.at(&place)
        });
        let inputs = place.into_iter().collect();
        app.steps.push(Step { name, run, cwd: cwd.clone(), inputs, forward: name == "migrate", seen });
    };
    let deploy = prisma.is_file().then(|| format!("{} prisma migrate deploy", manager.exec));
    add("migrate", &MIGRATES, &MIGRATIONS, deploy);
    add("seed", &SEEDS, &SEED_FILES, None);
}

/// What checks the work: the scripts of the whole, else those of each package.
fn checks(top: &Package, packages: &[Package], manager: Manager, app: &mut App) {
    for (stage, names) in [
        ("typecheck", &["typecheck", "type-check", "check-types", "tsc"][..]),
        ("lint", &["lint"]),
        ("test-unit", &["test:unit", "test"]),
    ] {
        let of = |package: &Package| {
            let (script, command) = package.script(names)?;
            // What npm writes when there is none, and what never ends.
            let none = command.contains("no test specified") || command.contains("--watch");
            (!none).then_some(script)
        };
        let wanted: Vec<&Package> = if of(top).is_some() { vec![top] } else { packages.iter().collect() };
        for package in wanted {
            if let Some(script) = of(package) {
                let seen = format!("{}: scripts.{script}", package.at("package.json"));
                let task = if package.folder.as_str().is_empty() { "all" } else { package.name() };
                app.check(stage, task, format!("{} run {script}", manager.program), package.folder.as_str(), &seen);
            }
        }
    }
}

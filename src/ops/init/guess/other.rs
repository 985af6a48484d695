//! Apps of Ruby, Go and Rust, and those that say how they start in a Procfile.

use camino::Utf8Path;

use super::{
    app::{App, Face, Prepare, Process, Step, harmless},
    read::{folders, is_plain, text, toml},
};
use crate::model::manifest::Service;

/// Looks for them in the checkout at `root`.
pub(super) fn look(root: &Utf8Path, app: &mut App) {
    ruby(root, app);
    go(root, app);
    rust(root, app);
    if app.processes.is_empty() {
        procfile(root, app);
    }
}

fn add(app: &mut App, run: &str, by_variable: bool, seen: &str) {
    let (name, face) = if app.processes.is_empty() { ("web", Face::Page) } else { ("api", Face::Server) };
    let name = app.free_name(name);
    let Some(port) = app.add_port(&name, face) else { return };
    let run = run.replace("ports.PORT", &format!("ports.{port}"));
    app.processes.push(Process {
        name,
        run,
        cwd: String::new(),
        port: Some((port, by_variable)),
        seen: seen.to_owned(),
    });
}

fn ruby(root: &Utf8Path, app: &mut App) {
    let Some(gems) = text(&root.join("Gemfile")) else { return };
    app.require("ruby", None, "apt-get install ruby-full", "Gemfile");
    app.require("bundle", None, "gem install bundler", "Gemfile");
    app.prepare.push(Prepare {
        name: "install-ruby",
        run: "bundle install".to_owned(),
        inputs: ["Gemfile", "Gemfile.lock"]
            .into_iter()
            .filter(|file| root.join(file).is_file())
            .map(str::to_owned)
            .collect(),
        outputs: Vec::new(),
        seen: "Gemfile".to_owned(),
    });
    let has = |gem: &str| ['"', '\''].iter().any(|quote| gems.contains(&format!("gem {quote}{gem}{quote}")));
    for (gem, service) in [("pg", Service::Postgres), ("aws-sdk-s3", Service::S3), ("ferrum", Service::Browser)] {
        if has(gem) {
            app.uses(service, format!("Gemfile: {gem}"));
        }
    }
    if root.join("bin/rails").is_file() {
        add(app, "bin/rails server --binding 127.0.0.1 --port {{ ports.PORT }}", false, "bin/rails");
        let step = |name, run: &str, inputs: &str| Step {
            name,
            run: run.to_owned(),
            cwd: String::new(),
            inputs: vec![inputs.to_owned()],
            forward: name == "migrate",
            seen: "bin/rails".to_owned(),
        };
        app.steps.push(step("migrate", "bin/rails db:migrate", "db/migrate/*.rb"));
        app.steps.push(step("seed", "bin/rails db:seed", "db/seeds.rb"));
    } else if root.join("config.ru").is_file() {
        add(app, "bundle exec rackup --host 127.0.0.1 --port {{ ports.PORT }}", false, "config.ru");
    }
    for (stage, gem, run) in
        [("lint", "rubocop", "bundle exec rubocop"), ("test-unit", "rspec-rails", "bundle exec rspec")]
    {
        if has(gem) {
            app.check(stage, "ruby", run.to_owned(), "", &format!("Gemfile: {gem}"));
        }
    }
}

fn go(root: &Utf8Path, app: &mut App) {
    let Some(module) = text(&root.join("go.mod")) else { return };
    app.require("go", None, "apt-get install golang", "go.mod");
    for (part, service) in [
        ("github.com/jackc/pgx", Service::Postgres),
        ("github.com/lib/pq", Service::Postgres),
        ("gorm.io/driver/postgres", Service::Postgres),
        ("aws-sdk-go", Service::S3),
        ("github.com/minio/minio-go", Service::S3),
        ("github.com/chromedp", Service::Browser),
    ] {
        if module.contains(part) {
            app.uses(service, format!("go.mod: {part}"));
        }
    }
    let command = folders(root, "cmd/*", "main.go").into_iter().find(|folder| is_plain(folder.as_str()));
    if root.join("main.go").is_file() {
        add(app, "go run .", true, "main.go");
    } else if let Some(folder) = command {
        add(app, &format!("go run ./{folder}"), true, &format!("{folder}/main.go"));
    }
    app.check("lint", "go", "go vet ./...".to_owned(), "", "go.mod");
    app.check("test-unit", "go", "go test ./...".to_owned(), "", "go.mod");
}

fn rust(root: &Utf8Path, app: &mut App) {
    let Some(cargo) = toml(&root.join("Cargo.toml")) else { return };
    app.require("cargo", None, "install Rust with rustup", "Cargo.toml");
    let package = cargo.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    if let (Some(name), true) = (package, app.processes.is_empty()) {
        app.name = harmless(name, &app.name);
    }
    let depends = cargo.get("dependencies").and_then(|depends| depends.as_table());
    for (name, service) in [
        ("tokio-postgres", Service::Postgres),
        ("diesel", Service::Postgres),
        ("sqlx", Service::Postgres),
        ("aws-sdk-s3", Service::S3),
        ("lettre", Service::Mail),
        ("chromiumoxide", Service::Browser),
    ] {
        if depends.is_some_and(|depends| depends.contains_key(name)) {
            app.uses(service, format!("Cargo.toml: {name}"));
        }
    }
    let web = ["axum", "actix-web", "rocket", "warp", "poem", "hyper"];
    if root.join("src/main.rs").is_file()
        && depends.is_some_and(|depends| web.iter().any(|name| depends.contains_key(*name)))
    {
        add(app, "cargo run", true, "Cargo.toml");
    }
    app.check("lint", "rust", "cargo clippy --all-targets".to_owned(), "", "Cargo.toml");
    app.check("test-unit", "rust", "cargo test".to_owned(), "", "Cargo.toml");
}

/// `<name>: <command>`, run by a shell with `PORT`.
fn procfile(root: &Utf8Path, app: &mut App) {
    let Some((file, lines)) =
        ["Procfile.dev", "Procfile"].iter().find_map(|file| Some((*file, text(&root.join(file))?)))
    else {
        return;
    };
    for (name, command) in lines.lines().filter_map(|line| line.split_once(':')).take(20) {
        let (name, command) = (name.trim(), command.trim());
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !plain || command.is_empty() || name == "release" {
            continue;
        }
        // What a shell would take for its own stays in one word; braces are no name of ours.
        let Ok(word) = shlex::try_quote(command) else { continue };
        let run = format!("sh -c {}", word.replace("{{", "{{{{"));
        let own = app.free_name(name);
        let port = if name == "web" { app.add_port(&own, Face::Page).map(|port| (port, true)) } else { None };
        app.processes.push(Process { name: own, run, cwd: String::new(), port, seen: format!("{file}: {name}") });
    }
}

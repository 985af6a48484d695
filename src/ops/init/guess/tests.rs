//! Little checkouts and what is made of them. Every manifest must load.

use camino::Utf8Path;
use rstest::rstest;

use super::*;
use crate::{
    config::manifest,
    model::manifest::{Manifest, Service},
};

/// Makes a checkout of these files, and loads what is guessed of it.
fn guess(files: &[(&str, &str)]) -> (Manifest, Draft) {
    let directory = tempfile::tempdir().expect("a directory");
    let root = Utf8Path::from_path(directory.path()).expect("UTF-8").join("my app");
    for (path, text) in files {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs_err::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .expect("a file");
    }
    fs_err::create_dir_all(&root).expect("a folder");
    let draft = manifest(&root);
    let loaded = manifest::parse(&[("harness.toml".into(), draft.text.clone())]);
    let loaded = loaded.unwrap_or_else(|error| panic!("{}\n{}", crate::error::Error::from(error).chain(), draft.text));
    (loaded.manifest, draft)
}

/// The whole in a few words: processes with their ports, services, prepare, steps, stages.
fn told(manifest: &Manifest) -> String {
    let list = |texts: Vec<String>| texts.join("; ");
    let processes = manifest.process.iter().map(|process| {
        let cwd = process.cwd.as_ref().map_or(String::new(), |cwd| format!(" in {cwd}"));
        format!("{}={}{cwd}", process.name, process.run)
    });
    let steps = manifest.template.step.iter().map(|step| format!("{}={} of {:?}", step.name, step.run, step.inputs));
    format!(
        "{} | {} | {} | {} | {}",
        list(processes.collect()),
        list(manifest.infra.services.iter().map(|service| service.name().to_owned()).collect()),
        list(manifest.prepare.iter().map(|prepare| prepare.run.clone()).collect()),
        list(steps.collect()),
        list(manifest.verify.stage.iter().map(|stage| stage.name.clone()).collect()),
    )
}

#[rstest]
#[case::nothing(&[], " |  |  |  | ")]
#[case::node_alone(
    &[("package.json", r#"{"name": "@me/tiny", "scripts": {"start": "node server.js", "test": "echo \"Error: no test specified\" && exit 1"}}"#)],
    "web=npm run start |  |  |  | "
)]
#[case::vite(
    &[("package.json", r#"{"scripts": {"dev": "vite", "lint": "eslint ."}, "devDependencies": {"vite": "8"}}"#), ("package-lock.json", "{}")],
    "web=npm run dev -- --strictPort --port {{ ports.web }} |  | npm ci |  | lint"
)]
#[case::next_with_prisma(
    &[
        ("package.json", r#"{"scripts": {"dev": "next dev", "typecheck": "tsc --noEmit", "test": "vitest --watch"}, "dependencies": {"next": "16", "pg": "8"}}"#),
        ("pnpm-lock.yaml", ""),
        ("prisma/schema.prisma", "datasource db { provider = \"postgresql\" }"),
        ("prisma/migrations/1/migration.sql", ""),
    ],
    "web=pnpm run dev --port {{ ports.web }} | postgres | pnpm install --frozen-lockfile | migrate=pnpm exec prisma migrate deploy of [\"prisma/migrations/**\"] | typecheck"
)]
#[case::workspaces(
    &[
        ("package.json", r#"{"private": true, "workspaces": ["packages/*"], "scripts": {"dev": "turbo dev", "lint": "oxlint"}}"#),
        ("yarn.lock", "# yarn lockfile v1\n"),
        ("packages/common/package.json", r#"{"scripts": {"dev": "tsc --watch"}}"#),
        ("packages/backend/package.json", r#"{"scripts": {"dev": "tsx watch src", "migrate": "knex migrate:latest", "test": "vitest run"}, "dependencies": {"express": "5", "pg": "8", "nodemailer": "7"}}"#),
        ("packages/backend/src/database/migrations/1.ts", ""),
        ("packages/frontend/package.json", r#"{"scripts": {"dev": "vite"}, "devDependencies": {"vite": "8"}}"#),
    ],
    "backend=yarn run dev in packages/backend; common=yarn run dev in packages/common; frontend=yarn run dev --strictPort --port {{ ports.frontend }} in packages/frontend | postgres; mail | yarn install --frozen-lockfile | migrate=yarn run migrate of [\"packages/backend/src/database/migrations/**\"] | lint; test-unit"
)]
#[case::pnpm_workspaces(
    &[
        ("package.json", r#"{"packageManager": "pnpm@11.0.0"}"#),
        ("pnpm-workspace.yaml", "packages:\n  # all\n  - 'apps/*'\nother:\n  - x\n"),
        ("apps/web/package.json", r#"{"scripts": {"dev": "astro dev"}, "dependencies": {"astro": "6"}}"#),
    ],
    "web=pnpm run dev --port {{ ports.web }} in apps/web |  | pnpm install |  | "
)]
#[case::bun(
    &[("package.json", r#"{"scripts": {"dev": "bun server.ts"}, "dependencies": {"hono": "4"}}"#), ("bun.lock", "")],
    "web=bun run dev |  | bun install --frozen-lockfile |  | "
)]
#[case::django(
    &[("manage.py", ""), ("requirements.txt", "Django>=5\npsycopg[binary]\npytest\n# x\n"), ("shop/migrations/0001.py", "")],
    "web=.venv/bin/python manage.py runserver 127.0.0.1:{{ ports.web }} | postgres | sh -c 'python3 -m venv .venv && .venv/bin/pip install --quiet -r requirements.txt' | migrate=.venv/bin/python manage.py migrate of [\"**/migrations/*.py\"] | test-unit"
)]
#[case::fastapi_with_uv(
    &[
        ("pyproject.toml", "[project]\nname = \"api\"\ndependencies = [\"fastapi\", \"asyncpg\", \"boto3\"]\n[dependency-groups]\ndev = [\"ruff\", \"mypy\"]\n"),
        ("uv.lock", ""),
        ("src/main.py", "from fastapi import FastAPI\n\napi: FastAPI = FastAPI()\n"),
        ("alembic.ini", ""),
        ("alembic/versions/1.py", ""),
    ],
    "web=uv run --frozen uvicorn src.main:api --host 127.0.0.1 --port {{ ports.web }} | postgres; s3 | uv sync --frozen | migrate=uv run --frozen alembic upgrade head of [\"alembic/versions/*.py\"] | typecheck; lint"
)]
#[case::flask_with_poetry(
    &[("pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.12\"\nflask = \"*\"\n"), ("poetry.lock", ""), ("app.py", "app = flask.Flask(__name__)\n")],
    "web=poetry run flask --app app:app run --host 127.0.0.1 --port {{ ports.web }} |  | poetry install --no-interaction |  | "
)]
#[case::rails(
    &[("Gemfile", "gem 'rails'\ngem \"pg\"\ngem 'rubocop'\n"), ("Gemfile.lock", ""), ("bin/rails", ""), ("Procfile.dev", "web: bin/rails server -p 3000\n")],
    "web=bin/rails server --binding 127.0.0.1 --port {{ ports.web }} | postgres | bundle install | migrate=bin/rails db:migrate of [\"db/migrate/*.rb\"]; seed=bin/rails db:seed of [\"db/seeds.rb\"] | lint"
)]
#[case::go(
    &[("go.mod", "module x\nrequire github.com/jackc/pgx/v5 v5\n"), ("cmd/server/main.go", "")],
    "web=go run ./cmd/server | postgres |  |  | lint; test-unit"
)]
#[case::rust(
    &[("Cargo.toml", "[package]\nname = \"srv\"\n[dependencies]\naxum = \"0.8\"\nsqlx = { version = \"0.8\" }\n"), ("src/main.rs", "")],
    "web=cargo run | postgres |  |  | lint; test-unit"
)]
#[case::procfile(
    &[("Procfile", "web: ./serve --port $PORT 'x {{ y'\nworker: ./work\nrelease: ./migrate\n bad name: x\n")],
    "web=sh -c './serve --port $PORT '\"'x {{{{ y'\"; worker=sh -c ./work |  |  |  | "
)]
#[case::compose(
    &[("docker-compose.yml", "services:\n  db:\n    image: \"pgvector/pgvector:pg16\"\n  s3: { }\n  store:\n    image: quay.io/minio/minio # x\n  mail:\n    image: axllent/mailpit\n  chrome:\n    image: ghcr.io/browserless/chromium\n  cache:\n    image: redis:7\n")],
    " | postgres; s3; browser; mail |  |  | "
)]
fn what_is_seen_is_written(#[case] files: &[(&str, &str)], #[case] expected: &str) {
    let (manifest, draft) = guess(files);
    assert_eq!(told(&manifest), expected, "{}", draft.text);
    for process in &manifest.process {
        assert!(draft.text.contains("# guessed from"), "{}: {}", process.name, draft.text);
    }
}

#[test]
fn names_of_variables_are_taken_and_values_never() {
    let (manifest, draft) = guess(&[
        ("package.json", r#"{"name": "shop", "scripts": {"start": "node ."}}"#),
        (
            ".env.example",
            "# all\nPORT=3000\nexport DATABASE_URL=postgres://u:hunter2@h/d\nS3_BUCKET=b\nSMTP_HOST='x'\nSITE_URL=\n",
        ),
        (".env", "DATABASE_URL=x\nSTRIPE_KEY=hunter2\nREDIS_URL=redis://x\n2BAD=1\nA B=1\nAGENT_HARNESS_STACK=x\n"),
    ]);
    let env: Vec<(&str, &str)> = manifest.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        env,
        [
            ("PORT", "{{ ports.web }}"),
            ("DATABASE_URL", "{{ postgres.url }}"),
            ("S3_BUCKET", "{{ s3.bucket }}"),
            ("SMTP_HOST", "{{ mail.host }}"),
            ("SITE_URL", "http://localhost:{{ ports.web }}"),
        ]
    );
    assert_eq!(manifest.infra.services, [Service::Postgres, Service::S3, Service::Mail]);
    assert!(!draft.text.contains("hunter2"), "{}", draft.text);
    assert!(draft.open.iter().any(|sentence| sentence.contains("REDIS_URL, STRIPE_KEY")), "{:?}", draft.open);
    assert_eq!(manifest.worktree.copy, [".env"]);
    // Another kind of database is none of ours.
    let (manifest, _) = guess(&[(".env.example", "DATABASE_URL=mysql://root@localhost/x\n")]);
    assert_eq!((manifest.infra.services.len(), manifest.env.len()), (0, 0));
}

#[test]
fn hostile_checkouts_make_manifests_that_load() {
    let name = r#"{"name": "../../x\"\n[env]\nA = \"{{ id }}\u007f", "workspaces": ["packages/*", "../*", "/etc/*", "!x", 3],
        "scripts": {"dev": "vite; rm -rf /", "lint": 3}, "engines": {"node": "99999999"}, "dependencies": []}"#;
    let (manifest, draft) = guess(&[
        ("package.json", name),
        ("packages/a\nb = {{ id }}\"/package.json", r#"{"scripts": {"dev": "next"}}"#),
        ("packages/-x/package.json", r#"{"scripts": {"dev": "next"}, "dependencies": {"next": "1"}}"#),
        ("packages/*/package.json", r#"{"scripts": {"dev": "next"}}"#),
    ]);
    assert_eq!(manifest.process.len(), 1, "{}", draft.text);
    assert_eq!(manifest.process[0].cwd.as_deref(), Some("packages/-x"));
    assert_eq!(draft.open.iter().filter(|sentence| sentence.contains("was left out")).count(), 2, "{:?}", draft.open);
    assert_eq!(manifest.env.len(), 0);
    let many = (0..40).map(|number| format!("p{number}: run {number}")).collect::<Vec<_>>().join("\n");
    for files in [
        &[("package.json", "[1, 2"), ("pyproject.toml", "= ="), ("Cargo.toml", "x")][..],
        &[("package.json", "{\"workspaces\": {\"packages\": 3}, \"scripts\": []}")],
        &[("Procfile", "web: a \u{0} b\nweb: $(x) \"y\" `z` \u{7f}\u{1b}\nweb: c\n")],
        &[("Procfile", &many)],
        &[("docker-compose.yml", "image:\n image: postgres\u{1b}[31m\" # x\n")],
        &[(".env.example", "PORT=1\nPORT=2\n=\n==\nX\n\u{0}=1\n")],
        &[("requirements.txt", "-r x\n{{ id }}\n\n==\n"), ("main.py", "a = FastAPI(\n")],
        &[("go.mod", ""), ("cmd/a b/main.go", ""), ("cmd/$(x)/main.go", "")],
    ] {
        guess(files);
    }
}

#[test]
fn many_packages_get_ports_while_there_are_some() {
    let package = r#"{"scripts": {"dev": "node ."}, "dependencies": {"express": "5"}}"#;
    let paths: Vec<String> = (0..9).map(|number| format!("apps/s{number}/package.json")).collect();
    let mut files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), package)).collect();
    files.push(("package.json", r#"{"workspaces": ["apps/*"]}"#));
    let (manifest, _) = guess(&files);
    assert_eq!((manifest.process.len(), manifest.ports.len()), (9, 6));
}

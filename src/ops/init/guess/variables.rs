//! What the app is told by its environment: the names in its `.env` files, never the values.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::{app::App, read::text};
use crate::model::manifest::Service;

const FILES: [&str; 8] = [
    ".env.example",
    ".env.sample",
    ".env.template",
    ".env.dist",
    ".env.development",
    ".env",
    "packages/backend/.env.example",
    "backend/.env.example",
];
/// Names of variables, and what they mean: patterns of whole names.
const KNOWN: [(&str, &str); 27] = [
    ("(DATABASE|POSTGRES|POSTGRESQL|PG|DB)_(URL|URI|DSN)|PG_CONNECTION_URI", "{{ postgres.url }}"),
    ("PGHOST|(DB|POSTGRES|DATABASE|PG)_HOST", "{{ postgres.host }}"),
    ("PGPORT|(DB|POSTGRES|DATABASE|PG)_PORT", "{{ postgres.port }}"),
    ("PGUSER|(DB|POSTGRES|DATABASE|PG)_(USER|USERNAME)", "{{ postgres.user }}"),
    ("PGPASSWORD|(DB|POSTGRES|DATABASE|PG)_(PASSWORD|PASS)", "{{ postgres.password }}"),
    ("PGDATABASE|(DB|POSTGRES|DATABASE|PG)_(NAME|DATABASE|DB)", "{{ postgres.database }}"),
    ("(S3|AWS|AWS_S3|MINIO)_(ENDPOINT|ENDPOINT_URL)|AWS_ENDPOINT_URL_S3|AWS_S3_ENDPOINT_URL", "{{ s3.endpoint }}"),
    ("(S3|AWS|AWS_S3|MINIO)_(BUCKET|BUCKET_NAME)|AWS_STORAGE_BUCKET_NAME|BUCKET_NAME", "{{ s3.bucket }}"),
    ("(S3|AWS|AWS_S3|MINIO)_REGION|AWS_DEFAULT_REGION", "{{ s3.region }}"),
    ("(S3|AWS|MINIO)_(ACCESS_KEY|ACCESS_KEY_ID)", "{{ s3.access_key }}"),
    ("(S3|AWS|MINIO)_(SECRET_KEY|SECRET_ACCESS_KEY)", "{{ s3.secret_key }}"),
    ("(S3|AWS_S3|AWS)_(FORCE_PATH_STYLE|USE_PATH_STYLE)", "true"),
    ("(SMTP|MAIL|EMAIL|MAILER|EMAIL_SMTP)_(HOST|SERVER)", "{{ mail.host }}"),
    ("(SMTP|MAIL|EMAIL|MAILER|EMAIL_SMTP)_PORT", "{{ mail.port }}"),
    ("(SMTP|MAIL|EMAIL|EMAIL_SMTP)_(USER|USERNAME|HOST_USER)", "{{ mail.user }}"),
    ("(SMTP|MAIL|EMAIL|EMAIL_SMTP)_(PASSWORD|PASS|HOST_PASSWORD)", "{{ mail.password }}"),
    ("(SMTP|MAIL|EMAIL)_URL|MAILER_(DSN|URL)", "{{ mail.url }}"),
    ("(SMTP|MAIL|EMAIL|EMAIL_SMTP)_(SECURE|TLS|USE_TLS)", "false"),
    (
        "BROWSER_(URL|WS_ENDPOINT|WS_URL)|BROWSERLESS_URL|(PUPPETEER|CHROME|PLAYWRIGHT)_(WS_ENDPOINT|WS_URL)",
        "{{ browser.url }}",
    ),
    ("HEADLESS_BROWSER_HOST|BROWSER_HOST", "{{ browser.host }}"),
    ("HEADLESS_BROWSER_PORT|BROWSER_PORT", "{{ browser.port }}"),
    ("(SITE|APP|BASE|PUBLIC|FRONTEND|WEB|CLIENT)_URL|NEXTAUTH_URL|APP_ORIGIN", "http://localhost:{{ ports.PAGE }}"),
    ("(API|BACKEND|SERVER)_URL|VITE_API_URL|NEXT_PUBLIC_API_URL", "http://localhost:{{ ports.SERVER }}"),
    ("PORT", "{{ ports.FIRST }}"),
    ("(API|BACKEND|SERVER)_PORT", "{{ ports.SERVER }}"),
    ("(WEB|FRONTEND|CLIENT|VITE)_PORT", "{{ ports.PAGE }}"),
    ("NODE_ENV", "development"),
];
/// Most names that are told of.
const MOST: usize = 12;

/// Looks for `.env` files in the checkout at `root`.
pub(super) fn look(root: &Utf8Path, app: &mut App) {
    let patterns: Vec<(regex::Regex, &str)> = KNOWN
        .iter()
        .map(|(names, value)| (regex::Regex::new(&format!("^(?:{names})$")).expect("a pattern of ours"), *value))
        .collect();
    let mut unknown = BTreeSet::new();
    for file in FILES {
        let Some(lines) = text(&root.join(file)) else { continue };
        for (name, value) in lines.lines().filter_map(variable) {
            if app.env.contains_key(name) {
                continue;
            }
            let known = patterns.iter().find(|(pattern, _)| pattern.is_match(name)).map(|(_, text)| *text);
            // Another database's URL is none of ours.
            let other =
                ["mysql:", "mariadb:", "sqlite:", "file:", "mongodb"].iter().any(|scheme| value.starts_with(scheme));
            match known.filter(|_| !other).and_then(|text| meant(text, app)) {
                Some(text) => {
                    uses(&text, name, file, app);
                    app.env.insert(name.to_owned(), (text, file.to_owned()));
                }
                None => drop(unknown.insert(name.to_owned())),
            }
        }
        let ignored = !file.contains("example") && !file.contains("sample") && !file.contains("template");
        if ignored && !file.contains('/') {
            app.copy.push(file.to_owned());
        }
    }
    if app.services.contains_key(&Service::Postgres) && !app.env.values().any(|(text, _)| text.contains("postgres.")) {
        let seen = "the use of PostgreSQL: most libraries read it".to_owned();
        app.env.insert("DATABASE_URL".to_owned(), ("{{ postgres.url }}".to_owned(), seen));
    }
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.iter().take(MOST).map(String::as_str).collect();
        let more = if unknown.len() > MOST { ", …" } else { "" };
        app.open.push(format!("[env] does not set {}{more}: does the app need them?", names.join(", ")));
    }
}

/// Name and value of a line `NAME=value`, or `export NAME=value`.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().trim_start_matches("export ").split_once('=')?;
    let name = name.trim();
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = !name.is_empty()
        && name.len() < 64
        && name.chars().all(fine)
        && !name.starts_with(|c: char| c.is_ascii_digit());
    (is_name && !name.starts_with("AGENT_HARNESS_")).then(|| (name, value.trim().trim_matches(['\'', '"'])))
}

/// `text` with the ports of this app; none when it has no such port.
fn meant(text: &str, app: &App) -> Option<String> {
    let mut ports = app.ports.iter();
    let first = app.ports.keys().next();
    let page = ports.clone().find(|(_, base)| **base < 8000).map(|(name, _)| name).or(first);
    let server = ports.find(|(_, base)| **base >= 8000).map(|(name, _)| name).or(first);
    for (word, port) in [("PAGE", page), ("SERVER", server), ("FIRST", first)] {
        let word = format!("ports.{word}");
        if text.contains(&word) {
            return Some(text.replace(&word, &format!("ports.{}", port?)));
        }
    }
    Some(text.to_owned())
}

/// A variable of a service tells that it is used.
fn uses(text: &str, name: &str, file: &str, app: &mut App) {
    for service in Service::ALL {
        if text.contains(&format!("{{{{ {}.", service.name())) {
            app.uses(service, format!("{file}: {name}"));
        }
    }
}

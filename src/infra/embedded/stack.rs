//! The stack `infra`: which processes the embedded services are.
//!
//! Each service is one process, so one that dies comes back alone. None of them comes `after` another: they do not
//! use each other.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use crate::{
    config::paths::Paths,
    model::{
        manifest::{InfraPorts, Service},
        stack::{ProcessSpec, Ready, ReadyCheck, Restart, Stop, StopSignal},
    },
};

/// Longest time from start to ready of a service of ours.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for clients to finish after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// Browser sessions at once. One takes about 250 MB, so this is what a machine for five agents can hold.
pub const BROWSER_SESSIONS: usize = 10;

/// The Chromium that the gateway starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chromium {
    /// The program.
    pub path: Utf8PathBuf,
    /// Environment that it needs beside the gateway's own.
    pub env: IndexMap<String, String>,
}

/// The process of `serve s3`.
#[must_use]
pub fn s3(program: &Utf8Path, paths: &Paths, ports: &InfraPorts, env: &IndexMap<String, String>) -> ProcessSpec {
    let args = ["--port".to_owned(), ports.s3.to_string(), "--console-port".to_owned(), ports.s3_console.to_string()];
    serve(Service::S3, program, paths, env, args)
}

/// The process of `serve mail`.
#[must_use]
pub fn mail(program: &Utf8Path, paths: &Paths, ports: &InfraPorts, env: &IndexMap<String, String>) -> ProcessSpec {
    let args = ["--smtp-port".to_owned(), ports.smtp.to_string(), "--web-port".to_owned(), ports.mail.to_string()];
    serve(Service::Mail, program, paths, env, args)
}

/// The process of `serve browser`.
#[must_use]
pub fn browser(
    program: &Utf8Path,
    paths: &Paths,
    ports: &InfraPorts,
    env: &IndexMap<String, String>,
    chromium: &Chromium,
) -> ProcessSpec {
    let args = [
        "--port".to_owned(),
        ports.browser.to_string(),
        "--chromium".to_owned(),
        chromium.path.to_string(),
        "--max-sessions".to_owned(),
        BROWSER_SESSIONS.to_string(),
    ];
    let mut env = env.clone();
    env.extend(chromium.env.clone());
    serve(Service::Browser, program, paths, &env, args)
}

fn serve(
    service: Service,
    program: &Utf8Path,
    paths: &Paths,
    env: &IndexMap<String, String>,
    args: impl IntoIterator<Item = String>,
) -> ProcessSpec {
    let name = service.name();
    let root = paths.infra(name);
    let mut command =
        vec![program.to_string(), "serve".to_owned(), name.to_owned(), "--root".to_owned(), root.to_string()];
    command.extend(args);
    ProcessSpec {
        name: name.to_owned(),
        argv: command,
        cwd: paths.state.clone(),
        env: env.clone(),
        run_as: None,
        ready: Some(Ready { check: ReadyCheck::Log { pattern: "^ready$".to_owned() }, timeout: READY_TIMEOUT }),
        autostart: true,
        after: Vec::new(),
        watch: None,
        restart: Restart::Always,
        stop: Stop { signal: StopSignal::Term, leader_only: true, grace: GRACE },
    }
}

//! What this machine has of what the harness and the project need, what is used, and why.

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    project::Project,
    require,
    setup::{self, InfraRecord},
};
use crate::{
    config::paths::Paths,
    error::{Error, Result},
    infra::postgres::clone_cost::Measured,
    process::cgroup::Cgroup,
};

/// Folders below which WSL shows the Windows disks: no inotify, no reflinks there.
const WINDOWS_DISKS: &str = "/mnt/";

/// One finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What mends it.
    pub hint: Option<String>,
}

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Fine.
    Ok,
    /// It works, but worse than it could.
    Note,
    /// Something will fail.
    Missing,
}

impl Verdict {
    /// The word that people see.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Missing => "missing",
        }
    }
}

/// Looks at the machine, and at `project` when there is one.
///
/// # Errors
/// When the infra's record cannot be read.
pub async fn examine(paths: &Paths, project: Option<&Project>) -> Result<Vec<Finding>> {
    let mut findings = vec![
        finding("state", Verdict::Ok, paths.state.to_string()),
        finding("cache", Verdict::Ok, paths.cache.to_string()),
    ];
    findings.push(control_group());
    findings.extend(infra(paths)?);
    if let Some(project) = project {
        let settings = &project.settings;
        findings.push(finding("manifest", Verdict::Ok, settings.manifest_path.to_string()));
        if settings.workdir.starts_with(WINDOWS_DISKS)
            && std::path::Path::new("/proc/sys/fs/binfmt_misc/WSLInterop").exists()
        {
            let detail = format!("{} lies on a Windows disk: changes of files are not noticed there", settings.workdir);
            findings.push(Finding {
                hint: Some("move the checkout into the Linux file system".to_owned()),
                ..finding("workdir", Verdict::Note, detail)
            });
        }
        let programs = settings.manifest.require.iter().map(|wanted| async move {
            match require::check(std::slice::from_ref(wanted), &project.base_env, &settings.workdir).await {
                Ok(()) => finding(&wanted.program, Verdict::Ok, "is there and new enough".to_owned()),
                Err(error) => missing(&wanted.program, &error),
            }
        });
        findings.extend(join_all(programs).await);
        findings.extend(configured(project).await);
    }
    Ok(findings)
}

fn finding(what: &str, verdict: Verdict, detail: String) -> Finding {
    Finding { what: what.to_owned(), verdict, detail, hint: None }
}

fn missing(what: &str, error: &Error) -> Finding {
    Finding { hint: error.hint(), ..finding(what, Verdict::Missing, error.chain()) }
}

fn control_group() -> Finding {
    match Cgroup::create("doctor").map(|group| group.remove()) {
        Ok(Ok(())) => {
            finding("cgroup", Verdict::Ok, "one of our own can be made: processes are ended as a whole".to_owned())
        }
        Ok(Err(error)) => finding("cgroup", Verdict::Note, format!("made, but not removed: {error}")),
        Err(reason) => finding(
            "cgroup",
            Verdict::Note,
            format!("none can be made ({reason}); members are found by session, parent and mark, which does as well"),
        ),
    }
}

/// The programs that the manifest names for the infra, tried.
async fn configured(project: &Project) -> Vec<Finding> {
    let (postgres, browser) = setup::configured(project).await;
    let mut findings = Vec::new();
    findings.extend(postgres.map(|found| match found {
        Ok(found) => finding("infra.programs.postgres", Verdict::Ok, format!("{} in {}", found.version, found.bin_dir)),
        Err(error) => missing("infra.programs.postgres", &error),
    }));
    findings.extend(browser.map(|found| match found {
        Ok(found) => finding("infra.programs.browser", Verdict::Ok, format!("{} in {}", found.version, found.path)),
        Err(error) => missing("infra.programs.browser", &error),
    }));
    findings
}

/// What the infra was set up with.
fn infra(paths: &Paths) -> Result<Vec<Finding>> {
    let Some(record) = InfraRecord::read(paths)? else {
        let detail = "not set up yet: setup-infra finds PostgreSQL and a browser, or obtains them".to_owned();
        return Ok(vec![finding("infra", Verdict::Ok, detail)]);
    };
    let mut findings = Vec::new();
    if let Some(postgres) = &record.postgres {
        let detail = format!("{} ({:?}) in {}", postgres.version, postgres.origin, postgres.bin_dir).to_lowercase();
        findings.push(finding("postgres", Verdict::Ok, detail));
        let fastest = record.costs.measured.iter().min_by_key(|measured| measured.large);
        let describe = |measured: &Measured| {
            let megabytes = record.costs.large_bytes / 1_000_000;
            format!("{} is fastest here: {} ms for {megabytes} MB", measured.strategy.sql(), measured.large.as_millis())
        };
        findings.extend(fastest.map(|measured| finding("clones", Verdict::Ok, describe(measured))));
    }
    if let Some(browser) = &record.browser {
        let verdict = if browser.sandbox { Verdict::Ok } else { Verdict::Note };
        let sandbox =
            if browser.sandbox { "in its own sandbox" } else { "without its own sandbox, which does not work here" };
        findings.push(finding(
            "browser",
            verdict,
            format!("{} in {}, {sandbox}", browser.version.trim(), browser.path),
        ));
    }
    Ok(findings)
}

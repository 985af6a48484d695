//! One task: a process group that is started, waited for, and of which nothing is left.

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use regex::Regex;
use tokio_util::sync::CancellationToken;

use super::{
    VerifyError, first_error,
    report::{FirstError, Scope, TaskReport, TaskStatus},
};
use crate::{
    config::{env_names, text::Command},
    error::{Error, Result},
    model::{
        first_error as model,
        stack::{Stop, StopSignal},
    },
    ops::run::millis,
    process::{
        cgroup::Cgroup,
        group::{self, Traces},
        identity::{Handle, Identity},
        spawn::Launch,
    },
    store::atomic::{self, Access},
};

/// How a task is asked to end, and what it left running.
const STOP: Stop = Stop { signal: StopSignal::Term, leader_only: false, grace: Duration::from_secs(2) };

/// A task, ready to be run.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its name.
    pub(super) name: String,
    /// The stage it is of.
    pub(super) stage: String,
    /// What is run.
    pub(super) command: Command,
    /// On what.
    pub(super) scope: Scope,
    /// Bytes that it may take.
    pub(super) memory: u64,
    /// What a line of its output must match.
    pub(super) expect: Option<Regex>,
    /// Where its output goes.
    pub(super) log: Utf8PathBuf,
}

/// What all tasks of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The tree that is verified.
    pub(super) workdir: Utf8PathBuf,
    /// The mark of its processes.
    pub(super) mark: String,
    /// Where its processes are, if we may make one.
    pub(super) cgroup: Option<Cgroup>,
    /// The run is to end.
    pub(super) stop: CancellationToken,
}

/// How the command came to its end.
enum End {
    Exited(std::process::ExitStatus),
    TimedOut(Duration),
    NotStarted(String),
}

impl Planned {
    /// What it is called in progress and in marks; no process of a stack can have this name.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.stage, self.name)
    }

    /// The report of a task that is not run.
    pub(super) fn skipped(&self) -> TaskReport {
        TaskReport {
            name: self.name.clone(),
            status: TaskStatus::Skipped,
            duration_ms: 0,
            scope: self.scope,
            exit_code: None,
            signal: None,
            log: None,
            first_error: None,
            notice: None,
        }
    }

    /// Runs it to its end. When it returns, whether well or not, no process of it is left.
    ///
    /// # Errors
    /// When the run was told to stop, or what is left cannot be found or ended.
    pub(super) async fn run(&self, shared: &Shared) -> Result<TaskReport> {
        let started = Instant::now();
        atomic::replace(&self.log, b"", Access::Private)?;
        let end = self.execute(shared).await?;
        let duration_ms = millis(started.elapsed());
        self.judge(shared, &end, duration_ms).await
    }

    async fn execute(&self, shared: &Shared) -> Result<End> {
        let title = self.title();
        let mut env: IndexMap<String, String> = self.command.env.clone();
        env.insert(env_names::STACK.to_owned(), shared.mark.clone());
        env.insert(env_names::PROCESS.to_owned(), title.clone());
        let launch = Launch {
            argv: self.command.argv.clone(),
            cwd: self.command.cwd.clone(),
            env: env.into_iter().collect(),
            run_as: None,
            cgroup: shared.cgroup.clone(),
            output: self.log.clone(),
        };
        let mut child = match launch.spawn(None) {
            Ok(child) => child,
            Err(error) => return Ok(End::NotStarted(Error::from(error).chain())),
        };
        // Until it is waited for its pid is nobody else's, ended or not.
        let leader = Identity::of_child(child.id())?;
        let handle = Handle::open(child.id())?;
        let limit = self.command.timeout.unwrap_or(Duration::MAX);
        let ended = tokio::select! {
            ended = handle.ended() => ended.map(|()| true)?,
            () = tokio::time::sleep(limit) => false,
            () = shared.stop.cancelled() => false,
        };
        let traces = Traces {
            process: Some(&title),
            leader: Some(&leader),
            output: Some(&self.log),
            ..Traces::of_stack(&shared.mark)
        };
        group::end(&traces, STOP).await?;
        let fail = |source| VerifyError::Guard(source);
        let status = child.wait().map_err(fail)?;
        match () {
            () if shared.stop.is_cancelled() => Err(VerifyError::Interrupted.into()),
            () if ended => Ok(End::Exited(status)),
            () => Ok(End::TimedOut(limit)),
        }
    }

    async fn judge(&self, shared: &Shared, end: &End, duration_ms: u64) -> Result<TaskReport> {
        use std::os::unix::process::ExitStatusExt as _;
        let mut report =
            TaskReport { log: Some(self.log.clone()), duration_ms, status: TaskStatus::Fail, ..self.skipped() };
        let output = first_error::read(&self.log)?;
        let plain = model::plain(&output);
        let how = match end {
            End::Exited(status) => {
                (report.exit_code, report.signal) = (status.code(), status.signal());
                if status.success() {
                    match self.proven(&plain) {
                        Ok(notice) => {
                            report.status = TaskStatus::Pass;
                            report.notice = notice;
                        }
                        Err(unproven) => report.first_error = Some(FirstError::message(unproven)),
                    }
                    return Ok(report);
                }
                match (status.code(), status.signal()) {
                    (Some(code), _) => format!("it ended with exit code {code}"),
                    (None, Some(signal)) => format!("signal {signal} ended it"),
                    (None, None) => "it did not end well".to_owned(),
                }
            }
            End::TimedOut(limit) => {
                report.first_error =
                    Some(FirstError::message(format!("it did not end within {} s and was ended", limit.as_secs_f32())));
                return Ok(report);
            }
            End::NotStarted(why) => {
                report.first_error = Some(FirstError::message(why.clone()));
                return Ok(report);
            }
        };
        let found = first_error::find(&plain, &self.command, &shared.workdir).await;
        report.first_error = Some(found.unwrap_or_else(|| FirstError::message(how)));
        Ok(report)
    }

    /// Whether a command that ended with 0 did what it is there for; with what should be known all the same.
    fn proven(&self, output: &str) -> Result<Option<String>, String> {
        let matches = self.expect.as_ref().is_none_or(|expect| output.lines().any(|line| expect.is_match(line)));
        if !matches && self.scope == Scope::Everything {
            let pattern = self.expect.as_ref().map(Regex::as_str).unwrap_or_default();
            return Err(format!("it ended with 0, but no line of its output matches `{pattern}`"));
        }
        let nothing = model::nothing_was_tested(output);
        Ok(match self.scope {
            Scope::Changed if nothing || !matches => Some("no test is about what changed: none was run".to_owned()),
            Scope::Everything if nothing => Some("it ended with 0, and no test was run".to_owned()),
            Scope::Changed | Scope::Everything => None,
        })
    }
}

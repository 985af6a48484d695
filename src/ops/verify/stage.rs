//! One stage: its tasks at once, as far as cores and memory go.

use std::{collections::VecDeque, time::Instant};

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{
    VerifyError,
    report::{FirstError, StageReport, TaskReport, TaskStatus},
    task::{Planned, Shared},
};
use crate::{
    error::{Error, Result},
    model::{first_error, room::Room},
    ops::run::millis,
    output::progress::Progress,
    process::{capture, machine},
};

/// Lines of a failed task's log that are shown.
const SHOWN: usize = 20;

/// Runs the stage `name`. Once a task has failed no other is started; those that run come to their end, because their
/// errors are wanted too.
///
/// # Errors
/// When the run was told to stop or a task cannot be run at all; no process of any task is left then.
pub(super) async fn run(name: &str, tasks: &[Planned], shared: &Shared, progress: &Progress) -> Result<StageReport> {
    let started = Instant::now();
    let memory = || machine::memory().map_err(VerifyError::Memory);
    let room = Room::new(machine::cpus(), memory()?);
    let mut waiting: VecDeque<usize> = (0..tasks.len()).collect();
    let mut reports: Vec<Option<TaskReport>> = tasks.iter().map(|_| None).collect();
    let mut running = FuturesUnordered::new();
    let mut taken: Vec<(usize, u64)> = Vec::new();
    let mut failed = false;
    let mut error: Option<Error> = None;
    loop {
        while let Some(&next) = waiting.front()
            && !failed
            && error.is_none()
            && !shared.stop.is_cancelled()
        {
            let announced: Vec<u64> = taken.iter().map(|(_, memory)| *memory).collect();
            if !room.admits(&announced, tasks[next].memory, memory()?) {
                break;
            }
            waiting.pop_front();
            taken.push((next, tasks[next].memory));
            running.push(one(next, &tasks[next], shared, progress));
        }
        let Some((index, result)) = running.next().await else { break };
        taken.retain(|(task, _)| *task != index);
        match result {
            Ok(report) => {
                failed |= report.status == TaskStatus::Fail;
                reports[index] = Some(report);
            }
            // The others still come to their end: whoever returns before would leave them.
            Err(new) => {
                error.get_or_insert(new);
            }
        }
    }
    if let Some(error) = error {
        return Err(error);
    }
    if shared.stop.is_cancelled() {
        return Err(VerifyError::Interrupted.into());
    }
    let reports = reports.into_iter().zip(tasks).map(|(report, task)| report.unwrap_or_else(|| task.skipped()));
    Ok(StageReport::new(name, reports.collect(), millis(started.elapsed())))
}

async fn one(index: usize, task: &Planned, shared: &Shared, progress: &Progress) -> (usize, Result<TaskReport>) {
    let shown = progress.begin_task(&task.title());
    let result = task.run(shared).await;
    match &result {
        Ok(report) if report.status == TaskStatus::Pass => {
            shown.done();
            if let Some(notice) = &report.notice {
                progress.tell(format_args!("     {notice}"));
            }
        }
        Ok(report) => {
            shown.failed();
            tell_failure(report, progress);
        }
        Err(_) => drop(shown),
    }
    (index, result)
}

fn tell_failure(report: &TaskReport, progress: &Progress) {
    let Some(log) = &report.log else { return };
    // What cannot be read is part of the evidence and must not hide the rest of it.
    let lines = capture::tail_of_file(log, SHOWN).unwrap_or_else(|error| format!("(its log cannot be read: {error})"));
    for line in first_error::plain(&lines).lines() {
        progress.tell(format_args!("     | {line}"));
    }
    progress.tell(format_args!("     log: {log}"));
    if let Some(error @ FirstError { .. }) = &report.first_error {
        progress.tell(format_args!("     first error: {error}"));
    }
}

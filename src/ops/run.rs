//! Runs a plan of steps: all that may run at once do, each is written to the journal, each is timed.
//!
//! When a step fails, no further step is started and those that run come to their end: a step that is cut off leaves
//! more to repair than one that is done. Whoever drops the running future (Ctrl-C) does cut off; the journal then names
//! the steps that were begun, and the next `launch` or `teardown` does them again.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    pin::Pin,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use indexmap::IndexMap;

use crate::{
    error::{Diagnose, Error, Result},
    exit_code::ExitCode,
    model::step::{Plan, PlanError, Step},
    output::progress::Progress,
    store::journal::Journal,
};

type Act<'a> = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<()>> + 'a>> + 'a>;

/// Steps with what they do.
#[derive(Default)]
pub struct Work<'a> {
    steps: Vec<Step>,
    acts: HashMap<String, Act<'a>>,
}

/// How long a step took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTime {
    /// The step.
    pub name: String,
    /// From its beginning to its end.
    pub time: Duration,
}

/// Whole milliseconds of `time`.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds by name, in the order in which the steps were done.
#[must_use]
pub fn by_name(times: Vec<StepTime>) -> IndexMap<String, u64> {
    times.into_iter().map(|step| (step.name, millis(step.time))).collect()
}

/// Steps that did not come to a good end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// One or more steps failed; the first one's message, code and hint count.
    #[error("step `{step}` failed: {message}{}", others(.also))]
    Failed {
        /// The step that failed first.
        step: String,
        /// Its message with all its sources.
        message: String,
        /// Its exit code.
        code: ExitCode,
        /// Its hint.
        hint: Option<String>,
        /// Steps that ran at the same time and failed too, with their messages.
        also: Vec<(String, String)>,
    },
    /// The steps are no plan: a mistake of ours.
    #[error("the steps cannot be ordered")]
    Plan(#[from] PlanError),
}

fn others(also: &[(String, String)]) -> String {
    also.iter().fold(String::new(), |text, (step, message)| text + "\nstep `" + step + "` failed too: " + message)
}

impl Diagnose for RunError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed { code, .. } => *code,
            Self::Plan(_) => ExitCode::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { hint, .. } => hint.clone(),
            Self::Plan(_) => None,
        }
    }
}

impl<'a> Work<'a> {
    /// No steps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the step `name`, which does `act` once all of `after` are done.
    pub fn step<F>(
        &mut self,
        name: impl Into<String>,
        after: impl IntoIterator<Item = impl Into<String>>,
        act: impl FnOnce() -> F + 'a,
    ) where
        F: Future<Output = Result<()>> + 'a,
    {
        let step = Step::new(name, after);
        self.acts.insert(step.name.clone(), Box::new(move || Box::pin(act())));
        self.steps.push(step);
    }

    /// Runs all steps as part of `operation`. Returns their times, in the order in which they were done.
    ///
    /// # Errors
    /// When a step fails, the journal cannot be written, or the steps are no plan.
    pub async fn run(self, operation: &str, journal: &mut Journal, progress: &Progress) -> Result<Vec<StepTime>> {
        let Self { steps, mut acts } = self;
        let plan = Plan::new(steps).map_err(RunError::Plan)?;
        let (mut started, mut done) = (HashSet::new(), HashSet::new());
        let mut times = Vec::with_capacity(plan.steps().len());
        let mut failures: Vec<(String, Error)> = Vec::new();
        let mut running = FuturesUnordered::new();
        loop {
            if failures.is_empty() {
                let next: Vec<String> = plan.ready(&started, &done).map(|step| step.name.clone()).collect();
                if !next.is_empty() {
                    journal.begin(operation, &next.iter().map(String::as_str).collect::<Vec<_>>())?;
                }
                for name in next {
                    started.insert(name.clone());
                    let act = acts.remove(&name);
                    let shown = progress.begin(&name);
                    running.push(async move {
                        let result = match act {
                            Some(act) => act().await,
                            None => Ok(()),
                        };
                        let time = if result.is_ok() { shown.done() } else { shown.failed() };
                        (name, result, time)
                    });
                }
            }
            let Some((name, result, time)) = running.next().await else { break };
            match result {
                Ok(()) => {
                    journal.done(operation, &name)?;
                    done.insert(name.clone());
                    times.push(StepTime { name, time });
                }
                Err(error) => failures.push((name, error)),
            }
        }
        match failed(failures) {
            Some(error) => Err(error.into()),
            None => Ok(times),
        }
    }
}

fn failed(failures: Vec<(String, Error)>) -> Option<RunError> {
    let mut failures = failures.into_iter();
    let (step, error) = failures.next()?;
    let message = error.chain();
    // Steps that wait for one thing fail for one reason.
    let others = failures.map(|(step, error)| (step, error.chain())).filter(|(_, also)| *also != message);
    let also = others.collect();
    Some(RunError::Failed { step, message, code: error.exit_code(), hint: error.hint(), also })
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, time::Instant};

    use camino::Utf8Path;

    use super::*;
    use crate::{output::printer::Printer, store::journal};

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
    }

    fn with_journal<T>(test: impl FnOnce(&Utf8Path, &mut Journal) -> T) -> T {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("journal.jsonl");
        let mut journal = Journal::open(&path).expect("a journal");
        test(&path, &mut journal)
    }

    #[test]
    fn steps_run_at_once_and_in_order() {
        with_journal(|path, journal| {
            let order = RefCell::new(Vec::new());
            let (order, barrier) = (&order, &tokio::sync::Barrier::new(2));
            let mut work = Work::new();
            work.step("last", ["left", "right"], || async {
                order.borrow_mut().push("last");
                Ok(())
            });
            // Each waits for the other: one after the other they would never end.
            for name in ["left", "right"] {
                work.step(name, Vec::<String>::new(), move || async move {
                    barrier.wait().await;
                    order.borrow_mut().push(name);
                    Ok(())
                });
            }
            let begun = Instant::now();
            let times = block_on(work.run("launch", journal, &Progress::new(Printer::new()))).expect("success");
            assert!(begun.elapsed() < Duration::from_secs(5));
            assert_eq!(order.borrow().last(), Some(&"last"));
            assert_eq!(times.len(), 3);
            assert_eq!(journal::interrupted(path).expect("a journal"), []);
        });
    }

    #[test]
    fn a_failure_lets_running_steps_finish_and_starts_no_more() {
        with_journal(|path, journal| {
            let order = RefCell::new(Vec::new());
            let (order, barrier) = (&order, &tokio::sync::Barrier::new(2));
            let mut work = Work::new();
            work.step("bad", Vec::<String>::new(), || async {
                barrier.wait().await;
                Err(crate::model::id::InvalidAgentId("x".to_owned()).into())
            });
            work.step("slow", Vec::<String>::new(), || async {
                barrier.wait().await;
                tokio::task::yield_now().await;
                order.borrow_mut().push("slow");
                Ok(())
            });
            work.step("never", ["slow"], || async {
                order.borrow_mut().push("never");
                Ok(())
            });
            let error = block_on(work.run("launch", journal, &Progress::new(Printer::new()))).expect_err("a failure");
            assert!(error.to_string().starts_with("step `bad` failed: \"x\" is no agent id"), "{error}");
            assert_eq!(error.exit_code(), ExitCode::Usage);
            assert_eq!(*order.borrow(), ["slow"]);
            let open = journal::interrupted(path).expect("a journal");
            assert_eq!(open.iter().map(|step| step.step.as_str()).collect::<Vec<_>>(), ["bad"]);
        });
    }
}

//! Progress of steps with their times: with a terminal a live line for each running step, without one a plain line for
//! each finished step. All of it goes to stderr.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize as _;

use super::printer::Printer;

/// How often a live line is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Shows steps.
#[derive(Clone, Debug)]
pub struct Progress {
    printer: Printer,
    live: Option<MultiProgress>,
    /// What all lines begin with: whose step it is, when several work at once.
    label: String,
}

/// A step that runs. Dropped without a word it was interrupted.
#[derive(Debug)]
pub struct Running {
    progress: Progress,
    kind: &'static str,
    name: String,
    started: Instant,
    line: Option<ProgressBar>,
}

impl Progress {
    /// Progress that speaks through `printer`, live when stderr is a terminal.
    #[must_use]
    pub fn new(printer: Printer) -> Self {
        // indicatif itself draws nothing on a dumb terminal.
        Self {
            printer,
            live: std::io::stderr()
                .is_terminal()
                .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())),
            label: String::new(),
        }
    }

    /// The same progress, for steps that belong to `whom`.
    #[must_use]
    pub fn of(&self, whom: impl std::fmt::Display) -> Self {
        Self { label: format!("{whom}: "), ..self.clone() }
    }

    /// Shows that the step `name` runs.
    #[must_use]
    pub fn begin(&self, name: &str) -> Running {
        self.begin_one("step", name)
    }

    /// Shows that the task `name` of `verify` runs.
    #[must_use]
    pub fn begin_task(&self, name: &str) -> Running {
        self.begin_one("task", name)
    }

    fn begin_one(&self, kind: &'static str, name: &str) -> Running {
        let line = self.live.as_ref().map(|live| {
            let line = live.add(ProgressBar::new_spinner());
            // The template is ours and tested, so it parses.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                line.set_style(style);
            }
            line.set_message(format!("{}{name}", self.label));
            line.enable_steady_tick(TICK);
            line
        });
        Running { progress: self.clone(), kind, name: name.to_owned(), started: Instant::now(), line }
    }

    /// A line of the telling that does not break the live lines.
    pub fn tell(&self, text: impl std::fmt::Display) {
        let text = format_args!("{}{text}", self.label);
        match &self.live {
            Some(live) => live.suspend(|| self.printer.tell(text)),
            None => self.printer.tell(text),
        }
    }
}

impl Running {
    /// The step is done; returns how long it took.
    #[expect(clippy::must_use_candidate, reason = "showing it is the purpose")]
    pub fn done(mut self) -> Duration {
        let time = self.started.elapsed();
        self.clear();
        self.progress.tell(format_args!("{} {} {}", self.kind.dimmed(), self.name, seconds(time).dimmed()));
        time
    }

    /// The step failed; why is said by who ran it. Returns how long it took.
    #[expect(clippy::must_use_candidate, reason = "showing it is the purpose")]
    pub fn failed(mut self) -> Duration {
        let time = self.started.elapsed();
        self.clear();
        self.progress.tell(format_args!(
            "{} {} {}",
            self.kind.dimmed(),
            self.name,
            format!("failed after {}", seconds(time)).red()
        ));
        time
    }

    fn clear(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `0.12 s`
fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

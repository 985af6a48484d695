//! The only door to stdout and stderr: stdout is the answer, stderr the telling.
//!
//! A closed pipe ends no command with a panic; colour is given up where the stream is no terminal or NO_COLOR is set
//! (both decided by `anstream`).

use std::io::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::{error::Error, exit_code::ExitCode};

/// Prints answers and tellings.
#[derive(Clone, Debug, Default)]
pub struct Printer(());

impl Printer {
    /// The printer of this process.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// A piece of the answer: one or more lines on stdout.
    pub fn answer(&self, text: impl std::fmt::Display) {
        ignore_closed_pipe(writeln!(anstream::stdout().lock(), "{text}"));
    }

    /// The answer as one JSON document on stdout.
    ///
    /// # Panics
    /// When `value` has a map whose keys are no texts, which our own types never have.
    pub fn json(&self, value: &impl Serialize) {
        let text = serde_json::to_string_pretty(value).expect("our answers serialise");
        self.answer(text);
    }

    /// One of many answers, as JSON on a line of its own.
    ///
    /// # Panics
    /// As [`Self::json`].
    pub fn json_line(&self, value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("our answers serialise");
        self.answer(text);
    }

    /// A line of the telling, on stderr.
    pub fn tell(&self, text: impl std::fmt::Display) {
        ignore_closed_pipe(writeln!(anstream::stderr().lock(), "{text}"));
    }

    /// An error with its hint, on stderr.
    pub fn error(&self, error: &Error) {
        self.tell(format_args!("{} {}", "error:".red().bold(), error.chain()));
        if let Some(hint) = error.hint() {
            self.tell(format_args!("{}  {hint}", "next:".cyan().bold()));
        }
    }

    /// What clap has to say: help and version are answers, everything else is wrong usage.
    #[must_use]
    pub fn usage(&self, error: &clap::Error) -> ExitCode {
        let text = error.render();
        if error.use_stderr() {
            ignore_closed_pipe(write!(anstream::stderr().lock(), "{}", text.ansi()));
            ExitCode::Usage
        } else {
            ignore_closed_pipe(write!(anstream::stdout().lock(), "{}", text.ansi()));
            ExitCode::Ok
        }
    }
}

/// A reader that went away (`| head`) is no failure of the command; the remaining output has nobody to go to.
fn ignore_closed_pipe(result: std::io::Result<()>) {
    drop(result);
}

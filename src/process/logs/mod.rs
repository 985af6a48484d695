//! Reads the logs of a stack: the last lines, and then what comes. Works beside a follower ([`super::follow`]), and
//! as well when there is none: then what the processes wrote meanwhile is read from their raw output.

mod cursor;
mod last;
mod tail;

use camino::Utf8PathBuf;
use jiff::Timestamp;

pub use self::{
    last::{last, processes},
    tail::Tail,
};
use super::follow::STAMP;
use crate::{error::Diagnose, exit_code::ExitCode};

/// A line of a process's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who wrote it.
    pub process: String,
    /// When it was taken over; `None` when no follower has taken it over yet.
    pub time: Option<Timestamp>,
    /// Its bytes, without the line feed.
    pub text: Vec<u8>,
}

/// Logs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel gives no notice of changes.
    #[error("cannot watch for output")]
    Watch(#[source] std::io::Error),
}

impl LogError {
    fn read(path: impl Into<Utf8PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }
}

impl Diagnose for LogError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Read { .. } | Self::Watch(_) => ExitCode::StepFailed,
        }
    }
}

impl Line {
    /// A line of a log, stamp and all.
    fn stamped(process: &str, line: &[u8]) -> Self {
        let stamp = line.get(..STAMP).and_then(|stamp| std::str::from_utf8(stamp).ok());
        let time = stamp.and_then(|stamp| stamp.trim_end().parse().ok());
        let text = if time.is_some() { &line[STAMP..] } else { line };
        Self { process: process.to_owned(), time, text: text.to_owned() }
    }
}

/// Puts lines of several processes, each in its own order, into the order of time. Lines that were not taken over yet
/// come last.
fn by_time(each: Vec<Vec<Line>>) -> Vec<Line> {
    let mut keyed = Vec::new();
    for lines in each {
        let mut at = Timestamp::MIN;
        for line in lines {
            // A clock that was set back does not reorder a process's own lines.
            at = at.max(line.time.unwrap_or(Timestamp::MAX));
            keyed.push((at, line));
        }
    }
    keyed.sort_by_key(|(at, _)| *at);
    keyed.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(process: &str, time: Option<i64>, text: &str) -> Line {
        let time = time.map(|second| Timestamp::from_second(second).expect("a time"));
        Line { process: process.to_owned(), time, text: text.as_bytes().to_vec() }
    }

    #[test]
    fn lines_are_put_in_the_order_of_time() {
        let a = vec![line("a", Some(1), "1"), line("a", Some(5), "3"), line("a", Some(4), "4"), line("a", None, "6")];
        let b = vec![line("b", Some(2), "2"), line("b", Some(6), "5"), line("b", None, "7")];
        let merged = by_time(vec![a, b]);
        let texts: Vec<_> = merged.iter().map(|line| String::from_utf8_lossy(&line.text)).collect();
        assert_eq!(texts, ["1", "2", "3", "4", "5", "6", "7"]);
    }

    #[test]
    fn a_line_without_a_stamp_is_text() {
        assert_eq!(Line::stamped("a", b"2026-11-22T17:24:30.123Z x y").text, b"x y");
        assert_eq!(Line::stamped("a", b"2026-11-22T17:24:30.123Z ").text, b"");
        assert_eq!(Line::stamped("a", b"something else that is long enough").time, None);
        assert_eq!(Line::stamped("a", b"short").text, b"short");
    }
}

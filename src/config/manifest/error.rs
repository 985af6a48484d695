//! A manifest that does not load.

use std::fmt;

use camino::Utf8PathBuf;

use crate::{error::Diagnose, exit_code::ExitCode};

/// Why a manifest does not load.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any manifest.
    #[error("{path} has more than {limit} bytes: that is no manifest")]
    TooLarge {
        /// The file.
        path: Utf8PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The file holds bytes that are no UTF-8.
    #[error("{path}:{line}: bytes that are not UTF-8")]
    NotUtf8 {
        /// The file.
        path: Utf8PathBuf,
        /// Line of the first of them, counted from 1.
        line: usize,
    },
    /// Something in the file is wrong.
    #[error("{0}")]
    Invalid(Box<Finding>),
}

impl Diagnose for ManifestError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Read { .. } | Self::TooLarge { .. } | Self::NotUtf8 { .. } | Self::Invalid(_) => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid(finding) => Some(format!("correct {}:{}", finding.path, finding.line)),
            Self::Read { .. } | Self::TooLarge { .. } | Self::NotUtf8 { .. } => None,
        }
    }
}

/// What is wrong, and the place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: Utf8PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong, as a fragment.
    pub message: String,
    /// The line itself, shortened around the place when it is long.
    excerpt: String,
    /// Characters of the excerpt before the caret.
    indent: usize,
    /// Carets.
    width: usize,
}

/// Most characters of a line that are shown.
const SHOWN: usize = 100;

impl Finding {
    /// The finding on `span` of `source`, the text of the file at `path`.
    pub(super) fn new(path: Utf8PathBuf, source: &str, span: &std::ops::Range<usize>, message: String) -> Self {
        let start = floor(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
        let characters: Vec<char> = source[line_start..line_end].trim_end_matches('\r').chars().collect();
        let column = source[line_start..start].chars().count();
        let wanted = source[start..floor(source, span.end.max(start)).min(line_end)].chars().count();
        let from = if characters.len() <= SHOWN { 0 } else { column.saturating_sub(SHOWN / 2) };
        let until = characters.len().min(from + SHOWN);
        let excerpt = characters[from.min(until)..until]
            .iter()
            .map(|character| if character.is_control() { ' ' } else { *character })
            .collect();
        let indent = column - from;
        Self {
            path,
            line: source[..line_start].matches('\n').count() + 1,
            column: column + 1,
            message,
            excerpt,
            indent,
            width: wanted.min((until - from.min(until)).saturating_sub(indent)).max(1),
        }
    }
}

/// The largest boundary of a character that is not above `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, message, excerpt, indent, width } = self;
        let margin = " ".repeat(line.to_string().len());
        writeln!(f, "{path}:{line}:{column}: {message}")?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{line} | {excerpt}")?;
        write!(f, "{margin} | {}{}", " ".repeat(*indent), "^".repeat(*width))
    }
}

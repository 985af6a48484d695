//! The first error in what a compiler, linter or test runner wrote.
//!
//! Every tool has its own form; each form that is known has a reader here, which looks at one line and, where the form
//! needs it, at those around it. The readers say what the tool said and never whether a file exists: a tool prints
//! paths as it sees them, so a finding carries all places that it names, the best first, and `ops` takes the first that
//! is there.

mod compilers;
mod javascript;
mod linters;
mod nothing;
mod plain;
mod python;

pub use nothing::nothing_was_tested;
pub use plain::plain;

use plain::{banner, without_prefix};

/// Most findings that are read out of one output.
const MOST: usize = 50;
/// Lines around one that a reader looks at, at most: what is larger is no error that a person would read.
const NEAR: usize = 400;
/// Bytes of a line that are looked at: a longer one is a bundle or data.
const WIDEST: usize = 2000;
/// Longest message, in characters.
const LONGEST: usize = 500;

/// Something that a tool complains about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is worth.
    pub kind: Kind,
    /// What the tool said.
    pub message: String,
    /// Where, the best place first.
    pub places: Vec<Place>,
    /// The package that wrote it, when the output says so: its folder or its name. Paths may be relative to it.
    pub package: Option<String>,
}

/// What a finding is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A test runner says that a test failed.
    Verdict,
    /// A tool says that something is wrong.
    Error,
    /// An error with its stack: what ended a tool, or what a test that passed has logged. It counts where there is no
    /// verdict.
    Thrown,
    /// It counts where there is nothing else.
    Warning,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path as it was printed.
    pub file: String,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
}

impl Finding {
    fn error(message: impl Into<String>, places: impl IntoIterator<Item = Place>) -> Self {
        let places = places.into_iter().collect();
        Self { kind: Kind::Error, message: message.into(), places, package: None }
    }

    fn warning(message: impl Into<String>, places: impl IntoIterator<Item = Place>) -> Self {
        Self { kind: Kind::Warning, ..Self::error(message, places) }
    }

    fn verdict(message: impl Into<String>, places: impl IntoIterator<Item = Place>) -> Self {
        Self { kind: Kind::Verdict, ..Self::error(message, places) }
    }

    fn thrown(message: impl Into<String>, places: impl IntoIterator<Item = Place>) -> Self {
        Self { kind: Kind::Thrown, ..Self::error(message, places) }
    }
}

impl Place {
    fn new(file: &str, line: &str, column: &str) -> Self {
        Self { file: file.to_owned(), line: line.parse().ok(), column: column.parse().ok() }
    }
}

/// Reads one form at line `at`.
type Reader = fn(lines: &[&str], at: usize) -> Option<Finding>;

/// Readers of forms that leave no doubt come before those that would take nearly anything.
const READERS: &[Reader] = &[
    compilers::tsc,
    compilers::rustc,
    javascript::node_tap,
    javascript::node_spec,
    javascript::runner_block,
    linters::graphical,
    linters::biome,
    linters::stylish,
    linters::compact,
    python::traceback,
    python::pytest,
    python::ruff,
    compilers::rust_panic,
    compilers::go_test,
    javascript::bundler,
    javascript::thrown,
    compilers::generic,
];

/// What `output` complains about: errors in the order of the output, after them what [`Kind`] puts behind
/// them. `output` is [`plain`].
#[must_use]
pub fn findings(output: &str) -> Vec<Finding> {
    let lines: Vec<&str> = output.lines().map(|line| &line[..line.floor_char_boundary(WIDEST)]).collect();
    // Workspace runners put the package before every line.
    let stripped: Vec<(Option<&str>, &str)> = lines.iter().map(|line| without_prefix(line)).collect();
    let bare: Vec<&str> = stripped.iter().map(|(_, line)| *line).collect();
    let (mut errors, mut thrown, mut warnings) = (0, 0, 0);
    let mut findings = Vec::new();
    let mut section = None;
    for (at, (package, _)) in stripped.iter().enumerate() {
        section = banner(lines[at]).or(section);
        let read = |lines: &[&str]| READERS.iter().find_map(|read| read(lines, at));
        let found = match read(&lines) {
            None if package.is_some() => read(&bare).map(|finding| (finding, *package)),
            found => found.map(|finding| (finding, section)),
        };
        let Some((mut finding, package)) = found else { continue };
        finding.package = package.map(str::to_owned);
        finding.message = shortened(&finding.message);
        let count = match finding.kind {
            Kind::Verdict | Kind::Error => &mut errors,
            Kind::Thrown => &mut thrown,
            Kind::Warning => &mut warnings,
        };
        if *count < MOST {
            *count += 1;
            findings.push(finding);
        }
        if errors >= MOST {
            break;
        }
    }
    let judged = findings.iter().any(|finding| finding.kind == Kind::Verdict);
    findings.sort_by_key(|finding| match finding.kind {
        Kind::Verdict | Kind::Error => 0,
        Kind::Thrown => u8::from(judged),
        Kind::Warning => 2,
    });
    findings.truncate(MOST);
    findings
}

/// `text` on one line, without what surrounds it.
fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain(['…']).collect() }
}

/// A regular expression that is compiled once.
macro_rules! pattern {
    ($text:expr) => {{
        static PATTERN: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).expect("a pattern of ours"));
        &*PATTERN
    }};
}
use pattern;

/// The group `name`, empty when it did not match.
fn group<'t>(captures: &regex::Captures<'t>, name: &str) -> &'t str {
    captures.name(name).map_or("", |found| found.as_str())
}

#[cfg(test)]
mod tests;

//! The programs that a manifest requires: there, and new enough.

use camino::{Utf8Path, Utf8PathBuf};
use futures_util::future::try_join_all;
use indexmap::IndexMap;

use super::OpsError;
use crate::{
    error::Result,
    model::manifest::Require,
    process::cmd::{self, Cmd},
};

/// Longest time for a program to print its version: some load a whole Python first, on a machine that may be busy.
const LIMIT: std::time::Duration = std::time::Duration::from_mins(2);

/// Checks at once that all of `requires` are there and new enough, in the environment that processes will have.
///
/// # Errors
/// When a program is missing or too old, naming the command that installs it.
pub(super) async fn check(requires: &[Require], env: &IndexMap<String, String>, workdir: &Utf8Path) -> Result<()> {
    try_join_all(requires.iter().map(|require| one(require, env, workdir))).await.map(drop)
}

fn find(require: &Require, env: &IndexMap<String, String>) -> Result<Utf8PathBuf> {
    let path = env.get("PATH").map_or("", String::as_str);
    let missing = || problem(require, "is not in PATH".to_owned());
    Ok(cmd::find(&require.program, path).ok_or_else(missing)?)
}

fn problem(require: &Require, problem: String) -> OpsError {
    OpsError::Requirement { program: require.program.clone(), problem, install: require.install.clone() }
}

async fn one(require: &Require, env: &IndexMap<String, String>, workdir: &Utf8Path) -> Result<()> {
    let problem = |text| problem(require, text);
    let program = find(require, env)?;
    let Some(wanted) = &require.version else { return Ok(()) };
    let output = Cmd::new(&program).args(["--version"]).envs(env).cwd(workdir).timeout(LIMIT).run_any().await?;
    let text = if output.stdout.trim().is_empty() { output.stderr } else { output.stdout };
    let found = first_version(&text).ok_or_else(|| problem(format!("says no version: {}", text.trim())))?;
    if numbers(found) >= numbers(wanted) {
        return Ok(());
    }
    Err(problem(format!("is version {found} ({program}), and at least {wanted} is needed")).into())
}

/// The first run of digits and dots in `text` that starts with a digit.
fn first_version(text: &str) -> Option<&str> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('.'))
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("v20.20.2\n", Some("20.20.2"))]
    #[case("11.19.1", Some("11.19.1"))]
    #[case("Python 3.11.7", Some("3.11.7"))]
    #[case("git version 2.39.5 (x)", Some("2.39.5"))]
    #[case("none here", None)]
    fn the_first_version_counts(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(first_version(text), expected);
    }

    #[rstest]
    #[case("20.20.2", "20", true)]
    #[case("20.9.1", "20.11", false)]
    #[case("3.11.7", "3.9", true)]
    #[case("18.20.0", "20", false)]
    #[case("20", "20", true)]
    fn versions_compare_by_number(#[case] found: &str, #[case] wanted: &str, #[case] enough: bool) {
        assert_eq!(numbers(found) >= numbers(wanted), enough);
    }
}

//! Which branch a worktree gets.

use std::{fmt, str::FromStr};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// A name that can be a branch's. git's own rules are more than these: it is asked too, before anything is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

/// The text can be no branch's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be a branch's name")]
pub struct InvalidBranch(pub String);

impl BranchName {
    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `refs/heads/<name>`
    #[must_use]
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BranchName {
    type Err = InvalidBranch;

    fn from_str(text: &str) -> Result<Self, InvalidBranch> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
        // `HEAD` and a full reference are taken by git, and mean something else than they say.
        let misleading = text == "HEAD" || text.starts_with("refs/");
        if text.is_empty() || text.starts_with('-') || text.contains(bad) || misleading {
            return Err(InvalidBranch(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for BranchName {
    type Error = InvalidBranch;

    fn try_from(text: String) -> Result<Self, InvalidBranch> {
        text.parse()
    }
}

impl From<BranchName> for String {
    fn from(name: BranchName) -> Self {
        name.0
    }
}

/// What git knows of a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchFacts {
    /// It exists in this repository.
    pub local: bool,
    /// Commits of it that the project's HEAD does not have.
    pub own_commits: usize,
    /// Remote-tracking branches of this name, such as `refs/remotes/origin/x`.
    pub remote: Vec<String>,
    /// Where it is checked out.
    pub checked_out: Option<Utf8PathBuf>,
}

/// How a worktree gets its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BranchPlan {
    /// Made at the project's HEAD.
    New,
    /// One of an earlier agent, without commits of its own, is moved to the project's HEAD.
    Renew,
    /// It exists and is used as it is.
    Use,
    /// Made from this remote-tracking branch, and tracks it.
    Track(String),
}

impl BranchPlan {
    /// Whether the branch is made by us, and so may be removed by us.
    #[must_use]
    pub const fn makes(&self) -> bool {
        !matches!(self, Self::Use)
    }
}

/// Why a branch cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is checked out somewhere.
    CheckedOut(Utf8PathBuf),
    /// An agent of this id left commits on it, and nobody asked for them.
    HasCommits(usize),
    /// Several remotes have a branch of this name.
    Ambiguous(Vec<String>),
}

/// How a worktree gets the branch of `facts`; `asked` when a person named it, otherwise it is the agent's default one.
/// Commits of an earlier agent are never taken over unasked.
///
/// # Errors
/// When it cannot be had.
pub fn plan(facts: &BranchFacts, asked: bool) -> Result<BranchPlan, Refused> {
    if let Some(place) = &facts.checked_out {
        return Err(Refused::CheckedOut(place.clone()));
    }
    match (facts.local, asked) {
        (true, true) => Ok(BranchPlan::Use),
        (true, false) if facts.own_commits > 0 => Err(Refused::HasCommits(facts.own_commits)),
        (true, false) => Ok(BranchPlan::Renew),
        (false, false) => Ok(BranchPlan::New),
        (false, true) => match &facts.remote[..] {
            [] => Ok(BranchPlan::New),
            [one] => Ok(BranchPlan::Track(one.clone())),
            several => Err(Refused::Ambiguous(several.to_vec())),
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("agent-3", true)]
    #[case("feature/ä-b", true)]
    #[case("-d", false)]
    #[case("--force", false)]
    #[case("a b", false)]
    #[case("a\nb", false)]
    #[case("a~1", false)]
    #[case("a:b", false)]
    #[case("HEAD", false)]
    #[case("refs/heads/x", false)]
    #[case("", false)]
    fn a_name_is_one_word_that_no_command_mistakes(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<BranchName>().is_ok(), valid, "{text:?}");
    }

    fn facts(local: bool, own_commits: usize, remote: &[&str]) -> BranchFacts {
        let remote = remote.iter().map(|name| (*name).to_owned()).collect();
        BranchFacts { local, own_commits, remote, checked_out: None }
    }

    #[rstest]
    #[case(facts(false, 0, &[]), false, Ok(BranchPlan::New))]
    #[case(facts(false, 0, &["refs/remotes/origin/b"]), false, Ok(BranchPlan::New))]
    #[case(facts(true, 0, &[]), false, Ok(BranchPlan::Renew))]
    #[case(facts(true, 2, &[]), false, Err(Refused::HasCommits(2)))]
    #[case(facts(false, 0, &[]), true, Ok(BranchPlan::New))]
    #[case(facts(true, 0, &[]), true, Ok(BranchPlan::Use))]
    #[case(facts(true, 2, &["refs/remotes/origin/b"]), true, Ok(BranchPlan::Use))]
    #[case(facts(false, 0, &["refs/remotes/origin/b"]), true, Ok(BranchPlan::Track("refs/remotes/origin/b".to_owned())))]
    #[case(facts(false, 0, &["x", "y"]), true, Err(Refused::Ambiguous(vec!["x".to_owned(), "y".to_owned()])))]
    #[case(BranchFacts { checked_out: Some("/a".into()), ..facts(true, 0, &[]) }, true, Err(Refused::CheckedOut("/a".into())))]
    #[case(BranchFacts { checked_out: Some("/a".into()), ..facts(true, 0, &[]) }, false, Err(Refused::CheckedOut("/a".into())))]
    fn old_commits_are_never_taken_over_unasked(
        #[case] facts: BranchFacts,
        #[case] asked: bool,
        #[case] expected: Result<BranchPlan, Refused>,
    ) {
        assert_eq!(plan(&facts, asked), expected);
    }
}

//! What the removal of a worktree would lose.

use std::fmt;

/// How many names are shown of many.
const SHOWN: usize = 5;

/// Something that git is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `git rebase` or `git am`.
    Rebase,
    /// `git merge`.
    Merge,
    /// `git cherry-pick`.
    CherryPick,
    /// `git revert`.
    Revert,
    /// `git bisect`.
    Bisect,
}

impl Operation {
    /// The files that git keeps while it is in the middle of one.
    pub const TRACES: [(&'static str, Self); 6] = [
        ("rebase-merge", Self::Rebase),
        ("rebase-apply", Self::Rebase),
        ("MERGE_HEAD", Self::Merge),
        ("CHERRY_PICK_HEAD", Self::CherryPick),
        ("REVERT_HEAD", Self::Revert),
        ("BISECT_LOG", Self::Bisect),
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rebase => "a rebase",
            Self::Merge => "a merge",
            Self::CherryPick => "a cherry-pick",
            Self::Revert => "a revert",
            Self::Bisect => "a bisect",
        })
    }
}

/// What is in a worktree and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Files that are changed, staged, or new and not ignored.
    pub files: Vec<String>,
    /// Commits, newest first, as `<hash> <subject>`, that no other branch, tag or remote has.
    pub commits: Vec<String>,
    /// What git is in the middle of.
    pub operation: Option<Operation>,
    /// Submodules with changes or commits of their own.
    pub submodules: Vec<String>,
}

impl Losses {
    /// Whether nothing would be lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(several(&self.files, "uncommitted file", "uncommitted files"));
        let (one, many) = ("commit that is nowhere else", "commits that are nowhere else");
        parts.extend(several(&self.commits, one, many));
        parts.extend(several(&self.submodules, "submodule with work of its own", "submodules with work of their own"));
        parts.extend(self.operation.map(|operation| format!("{operation} in progress")));
        f.write_str(&parts.join("; "))
    }
}

/// `2 uncommitted files (a, b)`
fn several(names: &[String], one: &str, many: &str) -> Option<String> {
    let what = match names.len() {
        0 => return None,
        1 => one,
        _ => many,
    };
    let mut list = names.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        list.push_str(", …");
    }
    Some(format!("{} {what} ({list})", names.len()))
}

/// The files that `git status --porcelain=v2 -z` names, and the submodules among them.
#[must_use]
pub fn changed_files(status: &str) -> (Vec<String>, Vec<String>) {
    let (mut files, mut submodules) = (Vec::new(), Vec::new());
    let mut records = status.split('\0');
    while let Some(record) = records.next() {
        // Fields before the path: `1 XY sub mH mI mW hH hI path`, `2 … X<score> path`, `u … h1 h2 h3 path`, `? path`.
        let (fields, renamed) = match record.as_bytes().first() {
            Some(b'1') => (8, false),
            Some(b'2') => (9, true),
            Some(b'u') => (10, false),
            Some(b'?') => (1, false),
            _ => continue,
        };
        let mut parts = record.splitn(fields + 1, ' ');
        let submodule = fields > 1 && parts.nth(2).is_some_and(|sub| sub.starts_with('S'));
        let Some(path) = parts.last() else { continue };
        if renamed {
            // The name before.
            records.next();
        }
        if submodule { submodules.push(path.to_owned()) } else { files.push(path.to_owned()) }
    }
    (files, submodules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_status_of_git_is_read() {
        let hash = "0123456789012345678901234567890123456789";
        let status = [
            format!("1 .M N... 100644 100644 100644 {hash} {hash} a b.txt"),
            format!("1 .M SC.. 160000 160000 160000 {hash} {hash} vendor/x"),
            format!("2 R. N... 100644 100644 100644 {hash} {hash} R100 new name"),
            "old name".to_owned(),
            format!("u UU N... 100644 100644 100644 100644 {hash} {hash} {hash} both"),
            "? new\nline".to_owned(),
            String::new(),
        ];
        let expected = (names(&["a b.txt", "new name", "both", "new\nline"]), names(&["vendor/x"]));
        assert_eq!(changed_files(&status.join("\0")), expected);
        assert_eq!(changed_files(""), (names(&[]), names(&[])));
    }

    #[test]
    fn what_would_be_lost_is_counted_and_named() {
        let losses = Losses {
            files: names(&["a", "b", "c", "d", "e\nf", "g"]),
            commits: names(&["0123456 one"]),
            operation: Some(Operation::Rebase),
            submodules: names(&["x"]),
        };
        assert_eq!(
            losses.to_string(),
            "6 uncommitted files (a, b, c, d, e\\nf, …); 1 commit that is nowhere else (0123456 one); \
             1 submodule with work of its own (x); a rebase in progress"
        );
        assert!(!losses.is_empty() && Losses::default().is_empty());
    }
}

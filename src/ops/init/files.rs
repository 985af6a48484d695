//! The files that `init` writes: the spec's entry points, the instructions for coding agents, the manifest.

use camino::Utf8Path;

use crate::config::{locate::MANIFEST, profiles::Profile};

/// A file as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Where, relative to the checkout.
    pub(super) path: &'static Utf8Path,
    /// Its content.
    pub(super) text: String,
    /// Whether it can be executed.
    pub(super) executable: bool,
}

impl Wanted {
    /// Whether people are meant to edit it.
    pub(super) fn is_manifest(&self) -> bool {
        self.path == MANIFEST
    }
}

/// The files that are the same in every app; those that can be executed come first.
const SCRIPTS: [(&str, &str); 7] = [
    ("agent-harness/setup-infra.sh", include_str!("files/setup-infra.sh")),
    ("agent-harness/launch.sh", include_str!("files/launch.sh")),
    ("agent-harness/teardown.sh", include_str!("files/teardown.sh")),
    ("agent-harness/agent-cli.sh", include_str!("files/agent-cli.sh")),
    ("agent-harness/verify.sh", include_str!("files/verify.sh")),
    ("agent-harness/attach.sh", include_str!("files/attach.sh")),
    ("agent-harness/harness.sh", include_str!("files/harness.sh")),
];
const JUSTFILE: (&str, &str) = ("agent-harness/justfile", include_str!("files/justfile"));
const ATTRIBUTES: (&str, &str) = ("agent-harness/.gitattributes", include_str!("files/gitattributes"));
const INSTRUCTIONS: (&str, &str) = ("agent-harness/CLAUDE.agent.md", include_str!("files/CLAUDE.agent.md"));
const SKILL: (&str, &str) = (".claude/skills/agent-harness/SKILL.md", include_str!("files/SKILL.md"));

/// All files, with `manifest` as the manifest.
pub(super) fn wanted(profile: Option<&Profile>, manifest: String) -> Vec<Wanted> {
    let file = |(path, text): (&'static str, &str), executable| Wanted {
        path: Utf8Path::new(path),
        text: text.to_owned(),
        executable,
    };
    let mut instructions = file(INSTRUCTIONS, false);
    if let Some(notes) = profile.map(|profile| profile.notes).filter(|notes| !notes.is_empty()) {
        instructions.text.push_str("\n## This app\n\n");
        instructions.text.push_str(notes.trim());
        instructions.text.push('\n');
    }
    let mut files = vec![Wanted { path: Utf8Path::new(MANIFEST), text: manifest, executable: false }];
    files.extend(SCRIPTS.map(|script| file(script, true)));
    files.extend([file(JUSTFILE, false), file(ATTRIBUTES, false), instructions, file(SKILL, false)]);
    for extra in profile.map_or(&[][..], |profile| profile.files) {
        files.push(file((extra.path, extra.text), extra.executable));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_plain_text_of_unix_lines() {
        for file in wanted(None, "name = \"x\"\n".to_owned()) {
            assert!(!file.text.contains('\r') && file.text.ends_with('\n'), "{}", file.path);
            assert_eq!(file.text.starts_with("#!/bin/sh\n"), file.executable, "{}", file.path);
        }
    }

    #[test]
    fn the_skill_has_the_front_matter_that_is_looked_for() {
        let (head, body) = SKILL.1.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("one");
        let keys: Vec<&str> = head.lines().filter_map(|line| line.split_once(": ")).map(|(key, _)| key).collect();
        assert_eq!(keys, ["name", "description"]);
        assert!(head.starts_with("name: agent-harness\n") && body.contains("verify.sh"));
    }
}

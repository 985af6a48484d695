//! Output as text: without colours, without what a workspace runner puts before lines.

use super::pattern;

/// `output` without escape sequences, with every carriage return that is not the end of a line taken for one (progress
/// that overwrites itself), and without other control characters.
#[must_use]
pub fn plain(output: &str) -> String {
    // CSI, OSC, and the other two-character sequences of ECMA-48.
    let escapes = pattern!(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])");
    let text = escapes.replace_all(output, "");
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// What stands after the prefix of pnpm (`packages/api typecheck: `), turbo (`@shop/api:typecheck: `), Nx or
/// concurrently (`[api] `), with the package that it names.
pub(super) fn without_prefix(line: &str) -> (Option<&str>, &str) {
    let pnpm = pattern!(r"^(?<package>[@\w][\w@./-]*) [\w:.-]+: (?<rest>.*)$");
    let turbo = pattern!(r"^(?<package>@?[\w./-]+):[\w.-]+: (?<rest>.*)$");
    let bracket = pattern!(r"^\[(?<package>[@\w][\w@./:-]*)\] (?<rest>.*)$");
    for prefix in [pnpm, turbo, bracket] {
        if let Some(found) = prefix.captures(line)
            && let (Some(package), Some(rest)) = (found.name("package"), found.name("rest"))
        {
            return (Some(package.as_str()), rest.as_str());
        }
    }
    (None, line)
}

/// The package that the following lines are about, when `line` is what npm or pnpm say before they run a script:
/// `> @shop/api@1.0.0 typecheck`, with pnpm the folder behind it.
pub(super) fn banner(line: &str) -> Option<&str> {
    let banner = pattern!(r"^> (?<package>@?[\w./-]+)@\d[\w.+-]* [\w:.-]+(?: (?<folder>/.*))?$");
    let found = banner.captures(line)?;
    found.name("folder").or(found.name("package")).map(|found| found.as_str())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("\x1b[31mred\x1b[0m \x1b[1;38;5;9mx\x1b[39m", "red x")]
    #[case("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07 \x1b(B", "link (B")]
    #[case("a\r\n10 %\r20 %\nb\x07\0", "a\n10 %\n20 %\nb")]
    #[case("é ✖\t.", "é ✖\t.")]
    #[case("\x1b", "")]
    fn escapes_are_taken_out(#[case] output: &str, #[case] expected: &str) {
        assert_eq!(plain(output), expected);
    }

    #[rstest]
    #[case("> @shop/api@1.0.0 typecheck", Some("@shop/api"))]
    #[case("> api@1.0.0-rc.1 lint:fix /app/packages/the api", Some("/app/packages/the api"))]
    #[case("> tsc -p . --noEmit", None)]
    fn a_banner_names_the_package(#[case] line: &str, #[case] package: Option<&str>) {
        assert_eq!(banner(line), package);
    }

    #[rstest]
    #[case("packages/api typecheck: src/a.ts(1,2): error", Some("packages/api"), "src/a.ts(1,2): error")]
    #[case("@shop/api:typecheck: src/a.ts(1,2): error", Some("@shop/api"), "src/a.ts(1,2): error")]
    #[case("[api] src/a.ts:1:2", Some("api"), "src/a.ts:1:2")]
    #[case("src/a.ts(1,2): error TS1: x", None, "src/a.ts(1,2): error TS1: x")]
    fn a_prefix_names_the_package(#[case] line: &str, #[case] package: Option<&str>, #[case] rest: &str) {
        assert_eq!(without_prefix(line), (package, rest));
    }
}

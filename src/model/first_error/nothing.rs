//! Whether a test runner that ended well says that it ran no test at all.

use super::pattern;

/// Whether `output` counts tests and the counts are all zero. A runner that is not known counts nothing.
#[must_use]
pub fn nothing_was_tested(output: &str) -> bool {
    // Node (tap, spec), unittest, cargo: a number; several runners may have written to one output.
    let counted =
        pattern!(r"^\s*(?:(?:#|ℹ) tests (?<node>\d+)|Ran (?<unittest>\d+) tests? in .*|running (?<cargo>\d+) tests?)$");
    // Vitest, Jest, pytest, Go: a sentence.
    let none = pattern!(
        r"^\s*(?:No test (?:files )?found|No tests found\b|=+ no tests ran in .* =+$|no tests ran in |\?\s+\S+\s+\[no test files\]$)"
    );
    let some = pattern!(
        r"^\s*(?:Tests:?\s+.*\d+ (?:passed|failed)|=+ .*\d+ (?:passed|failed)|ok\s+\S+\s+(?:\(cached\)|[\d.]+s))"
    );
    let mut said = false;
    for line in output.lines() {
        if some.is_match(line) {
            return false;
        }
        if let Some(found) = counted.captures(line) {
            let number = ["node", "unittest", "cargo"].iter().find_map(|name| found.name(name));
            if number.is_some_and(|number| number.as_str().bytes().any(|digit| digit != b'0')) {
                return false;
            }
            said = true;
        }
        said |= none.is_match(line);
    }
    said
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("TAP version 13\n1..0\n# tests 0\n# suites 0\n# pass 0\n", true)]
    #[case("ℹ tests 0\nℹ pass 0\n", true)]
    #[case("# tests 12\n# pass 12\n", false)]
    #[case("# tests 0\n# pass 0\n# tests 3\n", false)]
    #[case(
        "\n----------------------------------------------------------------------\nRan 0 tests in 0.000s\n\nOK\n",
        true
    )]
    #[case("Ran 1 test in 0.001s\n\nOK\n", false)]
    #[case("No test files found, exiting with code 0\n", true)]
    #[case("No tests found, exiting with code 0\n", true)]
    #[case(" Test Files  2 passed (2)\n      Tests  11 passed (11)\n", false)]
    #[case("running 0 tests\n\ntest result: ok. 0 passed; 0 failed\n", true)]
    #[case("running 0 tests\n\nrunning 10 tests\n", false)]
    #[case("?   \texample.com/a\t[no test files]\n", true)]
    #[case("?   \texample.com/a\t[no test files]\nok  \texample.com/b\t0.002s\n", false)]
    #[case("============ no tests ran in 0.01s ============\n", true)]
    #[case("============ 3 passed in 0.01s ============\n", false)]
    // Neither says anything of tests.
    #[case("", false)]
    #[case("Found 0 errors.\n", false)]
    fn zero_is_noticed(#[case] output: &str, #[case] expected: bool) {
        assert_eq!(nothing_was_tested(output), expected);
    }
}

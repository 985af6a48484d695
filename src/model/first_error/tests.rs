//! What real tools wrote (`samples/`, their project at `/app`), and what is read out of it.

use rstest::rstest;

use super::*;

/// `file:line:column message` of a finding's best place.
fn first(output: &str) -> String {
    let findings = findings(&plain(output));
    let Some(Finding { message, places, .. }) = findings.first() else { return "nothing".to_owned() };
    let Some(Place { file, line, column }) = places.first() else { return message.clone() };
    let number = |number: &Option<u32>| number.map(|number| format!(":{number}")).unwrap_or_default();
    format!("{file}{}{} {message}", number(line), number(column))
}

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("samples/", $name, ".txt"))
    };
}

const TSC: &str = "TS2322: Type 'string' is not assignable to type 'number'.";

#[rstest]
#[case::tsc(sample!("tsc"), &format!("packages/web/src/a.ts:2:14 {TSC}"))]
#[case::tsc_pretty(sample!("tsc-pretty"), &format!("packages/web/src/a.ts:2:14 {TSC}"))]
#[case::npm(sample!("npm-tsc"), &format!("src/a.ts:2:14 {TSC}"))]
#[case::pnpm(sample!("pnpm-f"), &format!("src/a.ts:2:14 {TSC}"))]
#[case::pnpm_recursive(sample!("pnpm-r"), &format!("src/a.ts:2:14 {TSC}"))]
#[case::eslint(sample!("eslint"), "/app/packages/web/src/lint.js:1:5 'unused' is assigned a value but never used")]
#[case::oxlint(sample!("oxlint"), "packages/web/src/lint.js:1:5 eslint(no-unused-vars): Variable 'unused' is declared but never used. Unused variables should start with a '_'.")]
#[case::oxlint_colour(sample!("oxlint-colour"), "packages/web/src/lint.js:1:5 eslint(no-unused-vars): Variable 'unused' is declared but never used. Unused variables should start with a '_'.")]
#[case::biome(sample!("biome"), "packages/web/src/lint.js:2:33 lint/suspicious/noDoubleEquals: Using == may be unsafe if you are relying on type coercion.")]
#[case::vitest(sample!("vitest"), "test/sum.test.js:6:23 sum > is wrong: AssertionError: expected 2 to be 3 // Object.is equality")]
#[case::jest(sample!("jest"), "packages/web/test/sum.jest.js:6:23 sum › is wrong: expect(received).toBe(expected) // Object.is equality")]
#[case::node_tap(sample!("node-tap"), "/app/packages/web/test/node.test.mjs:7:12 is wrong: Expected values to be strictly equal:")]
#[case::node_spec(sample!("node-spec"), "/app/packages/web/test/node.test.mjs:7:12 is wrong: AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:")]
#[case::node_missing(sample!("node-missing"), "/app/packages/web/lint.mjs Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/app/packages/web/nothing-here.js' imported from /app/packages/web/lint.mjs")]
#[case::node_syntax(sample!("node-syntax"), "/app/packages/web/syntax.mjs:1 SyntaxError: Unexpected token ';'")]
#[case::pytest(sample!("pytest"), "py/test_a.py:6 assert 2.0 == 3")]
#[case::pytest_short(sample!("pytest-q"), "py/test_a.py assert 2.0 == 3")]
#[case::unittest(sample!("unittest"), "/app/py/helper.py:5 TypeError: unsupported operand type(s) for /: 'str' and 'int'")]
#[case::ruff(sample!("ruff"), "py/helper.py:1:8 F401 [*] `os` imported but unused")]
#[case::ruff_concise(sample!("ruff-concise"), "py/helper.py:1:8 F401 [*] `os` imported but unused")]
#[case::mypy(sample!("mypy"), "py/helper.py:5 Incompatible return value type (got \"float\", expected \"int\") [return-value]")]
#[case::cargo(sample!("cargo"), "src/lib.rs:2:5 mismatched types")]
#[case::cargo_test(sample!("cargo-test"), "src/lib.rs:7:5 assertion `left == right` failed")]
#[case::go_test(sample!("go-test"), "a_test.go:7 got 2")]
#[case::go_vet(sample!("go-vet"), "./a.go:3:31 cannot use \"x\" (untyped string constant) as int value in return statement")]
fn the_first_error_of_a_real_tool(#[case] output: &str, #[case] expected: &str) {
    assert_eq!(first(output), expected);
}

#[rstest]
#[case("", "nothing")]
#[case("All matched files use Prettier code style!\nFound 0 errors at 12:30:15.\n", "nothing")]
#[case("http://localhost:3000/a.js:1:2 is up\n12:30:15 started\n", "nothing")]
#[case("a.c:1:2: note: expanded from here\na.c:3:4: warning: unused x\na.c:5:6: error: no y\n", "a.c:5:6 no y")]
#[case("a.c:3:4: warning: unused x\n", "a.c:3:4 unused x")]
#[case("warning: unused\n --> src/a.rs:1:2\nerror: no\n --> src/b.rs:3:4\n", "src/b.rs:3:4 no")]
#[case("error TS5083: Cannot read file '/app/tsconfig.json'.\n", "TS5083: Cannot read file '/app/tsconfig.json'.")]
#[case("my file.ts(3,4): error TS1005: x\n", "my file.ts:3:4 TS1005: x")]
#[case("/app/a.ts: line 3, col 4, Error - no (rule)\n", "/app/a.ts:3:4 no (rule)")]
#[case("a.ts:3:4: no [Error/rule]\n", "a.ts:3:4 no [Error/rule]")]
#[case("✘ [ERROR] Could not resolve \"x\"\n\n    src/a.ts:1:7:\n", "src/a.ts:1:7 Could not resolve \"x\"")]
#[case(
    "TypeError: x\n    at node_modules/a/b.js:1:2\n    at async f (file:///app/a%20b.js:3:4)\n",
    "/app/a b.js:3:4 TypeError: x"
)]
#[case::only_logged(
    "@shop/common:test: Error: \n@shop/common:test:     at f (/app/packages/common/src/a.ts:1:2)\n@shop/api:test:  FAIL  \
     unit  src/b.test.ts > b > is wrong\n@shop/api:test: AssertionError: no\n@shop/api:test:  ❯ src/b.test.ts:3:4\n",
    "src/b.test.ts:3:4 b > is wrong: AssertionError: no"
)]
fn forms_one_by_one(#[case] output: &str, #[case] expected: &str) {
    assert_eq!(first(output), expected);
}

#[test]
fn the_package_that_wrote_it_is_known() {
    let packages = |output: &str| -> Vec<_> {
        findings(&plain(output)).into_iter().map(|finding| finding.package.unwrap_or_default()).collect()
    };
    assert_eq!(packages(sample!("npm-tsc")), ["@app/web"]);
    assert_eq!(packages(sample!("pnpm-f")), ["/app/packages/web"]);
    assert_eq!(packages(sample!("pnpm-r")), ["packages/web", "packages/api"]);
    assert_eq!(packages(sample!("tsc")), [""]);
}

#[test]
fn hostile_output_ends_soon() {
    let begun = std::time::Instant::now();
    for output in [
        "Traceback (most recent call last):\n".repeat(5_000),
        "not ok 1 - x\n".repeat(5_000),
        " FAIL  a.js > x\n".repeat(5_000),
        "×".repeat(200_000),
        format!("{}:1:2: x\n", "a ".repeat(100_000)),
        "error: x\n".repeat(5_000),
        "(".repeat(200_000),
    ] {
        assert!(findings(&plain(&output)).len() <= MOST);
    }
    assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{:?}", begun.elapsed());
}

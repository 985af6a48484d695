//! `verify` of the example: real compilers, linters and test runners say what is wrong, and where.

use serde_json::{Value, json};

use super::{
    git,
    shop::{Answer, Shop},
};

/// The verdict of `verify`.
fn verify(shop: &Shop, args: &[&str]) -> Value {
    let Answer { code, stdout, stderr } = shop.run(&[&["verify"], args].concat());
    let verdict: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}:\n{stdout}\n{stderr}"));
    assert_eq!(code, i32::from(verdict["status"] == "fail"), "{stdout}\n{stderr}");
    verdict
}

fn stages(verdict: &Value) -> Vec<(&str, &str)> {
    let stages = verdict["stages"].as_array().expect("stages");
    stages
        .iter()
        .map(|stage| (stage["name"].as_str().unwrap_or_default(), stage["status"].as_str().unwrap_or_default()))
        .collect()
}

/// Appends `line` to a file, has `verify` fail, and puts the file back. The first error and the number of the line.
fn with(shop: &Shop, path: &str, line: &str) -> (Value, usize) {
    let whole = fs_err::read_to_string(shop.checkout.join(path)).expect("a source");
    shop.write(path, &format!("{whole}{line}\n"));
    let verdict = verify(shop, &["1"]);
    shop.write(path, &whole);
    assert_eq!(verdict["status"], "fail", "{verdict:#}");
    (verdict["first_error"].clone(), whole.lines().count() + 1)
}

fn commit(shop: &Shop) {
    git(&shop.checkout, &["add", "packages/common"]);
    git(
        &shop.checkout,
        &["-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "x"],
    );
}

/// Leaves the checkout as it was.
pub(super) fn tells_what_is_wrong_and_where(shop: &Shop) {
    // Its suite makes orders and mails of its own.
    let good = verify(shop, &["2", "--full"]);
    let all = ["typecheck", "lint", "test-unit", "test-suite", "smoke"].map(|stage| (stage, "pass"));
    assert_eq!(stages(&good), all, "{good:#}");
    assert_eq!(good["everything_because"], "main is itself what would be compared with");

    git(&shop.checkout, &["switch", "--quiet", "--create", "work"]);
    let page = "packages/frontend/src/App.tsx";
    let (error, line) = with(shop, page, "export const price: number = 'free';");
    let message = "TS2322: Type 'string' is not assignable to type 'number'.";
    assert_eq!(
        error,
        json!({ "stage": "typecheck", "task": "frontend", "file": page, "line": line, "column": 14, "message": message })
    );
    let (error, line) = with(shop, page, "debugger;");
    assert_eq!((&error["stage"], &error["file"], &error["line"]), (&json!("lint"), &json!(page), &json!(line)));
    let test = "packages/common/test/money.test.ts";
    let (error, line) = with(shop, test, "test('wrong', () => {\n  assert.equal(formatMoney(1), 'x');\n});");
    assert_eq!((&error["stage"], &error["task"]), (&json!("test-unit"), &json!("common")), "{error}");
    assert_eq!((&error["file"], &error["line"]), (&json!(test), &json!(line + 1)), "{error}");

    // A committed change has the tests run that it concerns.
    shop.write("packages/common/test/more.test.ts", "import { test } from 'node:test';\ntest('more', () => {});\n");
    commit(shop);
    let changed = verify(shop, &["1"]);
    // The other one is the link that the world made.
    assert_eq!(changed["compared_with"]["files"], 2);
    let tasks = &changed["stages"][2]["tasks"];
    let log = |task: &Value| fs_err::read_to_string(task["log"].as_str().expect("a log")).expect("the log");
    assert!(log(&tasks[0]).contains("tests 1") && log(&tasks[0]).contains("more"), "{}", log(&tasks[0]));
    assert_eq!(tasks[0]["notice"], Value::Null);
    assert_eq!(tasks[1]["notice"], "no test is about what changed: none was run");

    git(&shop.checkout, &["switch", "--quiet", "main"]);
    git(&shop.checkout, &["branch", "--quiet", "--delete", "--force", "work"]);
}

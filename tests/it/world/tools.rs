//! npm packages that tests compare with, obtained by `tests/it/fixtures/install`.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

/// The folder whose `node_modules` holds what the lock file of `fixture` names.
///
/// # Panics
/// When it was not obtained; the message has the command that does it.
pub(crate) fn npm(fixture: &str) -> Utf8PathBuf {
    let lock = format!("{}/tests/it/fixtures/{fixture}/package-lock.json", env!("CARGO_MANIFEST_DIR"));
    let sum = Command::new("sha256sum").arg(&lock).output().expect("sha256sum");
    let key = String::from_utf8_lossy(&sum.stdout).chars().take(12).collect::<String>();
    let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let place = target.join("test-tools").join(format!("{fixture}-{key}"));
    assert!(
        place.join("node_modules").is_dir(),
        "{place} is missing: obtain it with CARGO_TARGET_DIR={target} tests/it/fixtures/install"
    );
    place
}

//! Programs of others that tests use: found on the machine, else obtained, once for all test runs. So the tests need
//! what the demo needs (Rust, Node, pip) and no root.

use std::{fs::File, os::unix::fs::PermissionsExt as _, process::Command};

use agent_harness::{
    config::{environment::Environment, paths::Paths},
    infra::obtain::{BrowserBinary, BrowserWanted, Machine, ObtainError, PostgresBinaries, PostgresWanted},
    process::cmd,
};
use camino::{Utf8Path, Utf8PathBuf};

/// The cache directory that all worlds of this user share, kept between runs: what is obtained is locked while it is
/// made, and only read afterwards. It does not lie in the target directory, because postgres may run as another user,
/// who has to pass through to it.
pub(crate) fn cache() -> Utf8PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let directory = std::env::temp_dir().join(format!("agent-harness-test-cache-{user}"));
    let directory = Utf8PathBuf::from_path_buf(directory).expect("a UTF-8 TMPDIR");
    fs_err::create_dir_all(&directory).expect("a directory");
    fs_err::set_permissions(&directory, std::fs::Permissions::from_mode(0o711)).expect("chmod of our directory");
    directory
}

/// The folder whose `node_modules` holds what the lock file of `fixture` names; obtained by `tests/it/fixtures/install`.
///
/// # Panics
/// When it cannot be obtained.
pub(crate) fn npm(fixture: &str) -> Utf8PathBuf {
    let fixtures = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures");
    let lock = fixtures.join(fixture).join("package-lock.json");
    let sum = Command::new("sha256sum").arg(&lock).output().expect("sha256sum");
    let key = String::from_utf8_lossy(&sum.stdout).chars().take(12).collect::<String>();
    let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let tools = target.join("test-tools");
    let place = tools.join(format!("{fixture}-{key}"));
    if !place.join("node_modules").is_dir() {
        fs_err::create_dir_all(&tools).expect("a directory");
        let lock = File::create(tools.join("install.lock")).expect("a lock file");
        lock.lock().expect("a lock");
        let mut install = Command::new(fixtures.join("install"));
        let output = install.env("CARGO_TARGET_DIR", target).output().expect("bash");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tests/it/fixtures/install (needs Node 20 and npm): {told}");
    }
    place
}

/// `just`, obtained with pip: pinned by version and hash (x86-64, arm64).
///
/// # Panics
/// When it cannot be obtained.
pub(crate) fn just() -> Utf8PathBuf {
    let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let tools = target.join("test-tools");
    let place = tools.join("just-1.59.0");
    fs_err::create_dir_all(&tools).expect("a directory");
    let lock = File::create(tools.join("install.lock")).expect("a lock file");
    lock.lock().expect("a lock");
    if !place.is_dir() {
        let half = tools.join("just-1.59.0.half");
        let wanted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/just/requirements.txt");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--only-binary", ":all:", "--require-hashes", "--upgrade", "--target", half.as_str(), "-r", wanted]);
        let output = pip.output().expect("python3 and pip (apt-get install python3-pip)");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pip install rust-just (apt-get install python3-pip): {told}");
        fs_err::rename(half, &place).expect("a finished install");
    }
    place.join("bin/just")
}

/// The Chromium of the machine, else the headless shell that the harness obtains.
///
/// # Panics
/// When there is none and none can be obtained.
pub(crate) fn chromium() -> BrowserBinary {
    let environment = Environment::of_this_process();
    let path = environment.get("PATH").unwrap_or_default();
    let preferred = preferred_browser();
    match cmd::find("chromium", path) {
        Some(path) => BrowserBinary { path, env: std::collections::BTreeMap::new(), ..preferred },
        None => preferred,
    }
}

/// The browser that the harness itself would use.
///
/// # Panics
/// When there is none and none can be obtained.
pub(crate) fn preferred_browser() -> BrowserBinary {
    obtain(async |machine: Machine<'_>| machine.browser(&BrowserWanted::default()).await)
}

/// The PostgreSQL that the harness itself would use.
///
/// # Panics
/// When there is none and none can be obtained.
pub(crate) fn postgres() -> PostgresBinaries {
    obtain(async |machine: Machine<'_>| machine.postgres(&PostgresWanted::default()).await)
}

/// Asks the harness's own search, on a thread of its own: the caller may be inside of an event loop.
fn obtain<T: Send>(search: impl AsyncFn(Machine<'_>) -> Result<T, ObtainError> + Send + Sync) -> T {
    let work = || {
        let kept = cache();
        let paths = Paths { state: kept.join("state"), cache: kept };
        let env = Environment::of_this_process();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime
            .block_on(search(Machine { paths: &paths, env: &env, tell: &|_| {} }))
            .unwrap_or_else(|error| panic!("{}", agent_harness::error::Error::from(error).chain()))
    };
    std::thread::scope(|scope| scope.spawn(work).join().expect("a search that ends"))
}

//! The SDKs that real apps use, installed once from the lock files in `tests/it/fixtures/s3`.

use std::{fs::File, os::unix::fs::MetadataExt as _, process::Command};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

/// Where the lock files and scripts lie.
pub(super) fn fixtures() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/s3")
}

/// A directory that `install` has filled once for this user and this content of `lock`.
fn installed(name: &str, lock: &str, install: impl Fn(&Utf8Path)) -> Utf8PathBuf {
    let digest = hex::encode(Sha256::digest(fs_err::read(fixtures().join(lock)).expect("a lock file")));
    let base = Utf8Path::new(env!("CARGO_TARGET_TMPDIR"));
    let user = rustix::process::geteuid().as_raw();
    assert!(fs_err::metadata(base).expect("the tests' directory").mode() & 0o200 != 0);
    let tools = base.join(format!("test-tools-{user}"));
    fs_err::create_dir_all(&tools).expect("a directory of tools");
    let held = File::create(tools.join(format!("{name}.lock"))).expect("a lock");
    held.lock().expect("a lock");
    let (directory, marker) = (tools.join(format!("{name}-{}", &digest[..16])), ".complete");
    if !directory.join(marker).exists() {
        if directory.exists() {
            fs_err::remove_dir_all(&directory).expect("a broken installation removed");
        }
        fs_err::create_dir_all(&directory).expect("a directory");
        install(&directory);
        fs_err::write(directory.join(marker), "").expect("a marker");
    }
    directory
}

/// Runs `command` and returns its stdout; anything but success is a failure of the test that says `hint`.
pub(super) fn run(command: &mut Command, hint: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; {hint}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}\n{hint}", output.status);
    stdout.into_owned()
}

/// A Python that has boto3.
pub(super) fn python() -> Utf8PathBuf {
    let lock = "requirements.txt";
    let directory = installed("s3-python", lock, |directory| {
        let hint = "install with: apt-get install python3-venv python3-pip";
        run(Command::new("python3").args(["-m", "venv", directory.as_str()]), hint);
        let pip = directory.join("bin/pip");
        run(Command::new(pip).args(["install", "--quiet", "-r", fixtures().join(lock).as_str()]), hint);
    });
    directory.join("bin/python")
}

/// A folder whose `node_modules` has the AWS SDK for JavaScript.
pub(super) fn node_modules() -> Utf8PathBuf {
    crate::world::tools::npm("s3")
}

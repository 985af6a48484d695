//! Becomes another program.

use std::{convert::Infallible, ffi::OsString, os::unix::process::CommandExt as _, process::Command};

use camino::Utf8Path;
use indexmap::IndexMap;

use crate::{error::Diagnose, exit_code::ExitCode};

/// The program could not be executed.
#[derive(Debug, thiserror::Error)]
#[error("cannot execute {program}")]
pub struct ReplaceError {
    program: String,
    source: std::io::Error,
}

impl Diagnose for ReplaceError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Missing
    }
}

/// Executes `command` in place of this process, in `directory`, with `environment` and nothing else. Its `PATH` says
/// where the program is looked for.
///
/// # Errors
/// When it cannot be executed; on success there is nobody left to return to.
pub fn with(
    command: &[OsString],
    environment: &IndexMap<String, String>,
    directory: &Utf8Path,
) -> Result<Infallible, ReplaceError> {
    let [program, args @ ..] = command else {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "no command");
        return Err(ReplaceError { program: String::new(), source });
    };
    // std looks a bare name up in the PATH that the child is given, as execvpe does.
    let source = Command::new(program).args(args).env_clear().envs(environment).current_dir(directory).exec();
    Err(ReplaceError { program: program.to_string_lossy().into_owned(), source })
}

//! Which processes of a stack have logs.

use super::OpsError;
use crate::{config::paths::StackDir, error::Result, process::logs};

/// The processes `asked` for, or all that have output when none is named.
///
/// # Errors
/// When one has no log, naming those that have.
pub fn known(directory: &StackDir, asked: &[String]) -> Result<Vec<String>> {
    let all = logs::processes(directory)?;
    if asked.is_empty() {
        return Ok(all);
    }
    match asked.iter().find(|name| !all.contains(name)) {
        Some(name) => Err(OpsError::NoLog { name: name.clone(), known: all }.into()),
        None => Ok(asked.to_vec()),
    }
}

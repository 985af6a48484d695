//! Stops the infra, or removes it with all its data.

use super::super::OpsError;
use crate::{
    config::paths::Paths, error::Result, model::stack::StackName, store::registry::Registry,
    supervisor::builtin::Builtin,
};

/// Stops the services; their data stays. `false` when they did not run.
///
/// # Errors
/// When one cannot be stopped.
pub async fn stop(paths: &Paths) -> Result<bool> {
    let was_there = paths.stack(StackName::Infra).path().exists();
    Builtin::new(paths).remove(StackName::Infra).await?;
    Ok(was_there)
}

/// Stops the services and removes all their data: databases, objects, mails. The caller has made sure that no agent is
/// left.
///
/// # Errors
/// When something cannot be stopped or removed.
pub async fn remove(paths: &Paths) -> Result<()> {
    stop(paths).await?;
    let directory = paths.state.join("infra");
    match fs_err::remove_dir_all(&directory) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(OpsError::File { act: "remove", path: directory, source }.into());
        }
        Ok(()) | Err(_) => {}
    }
    let release = |registry: &mut Registry| {
        registry.release_infra();
        Ok(())
    };
    Ok(Registry::change(&paths.registry(), &paths.locks(), "infra", release).await?)
}

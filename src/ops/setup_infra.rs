//! `setup-infra`: services, prepared checkout, template.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::{prepare, project::Project, setup, template};
use crate::{
    error::Result,
    model::ports::{infra_list, service_of},
    output::progress::Progress,
};

/// What is there now.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Addresses of the services that the app uses.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub services: IndexMap<String, String>,
    /// Name of the template, when the app uses a database.
    pub template: Option<String>,
    /// Layers that were built; 0 when the template was up to date.
    pub layers_built: usize,
}

/// Sets the infra up and builds the template.
///
/// # Errors
/// When something needed cannot be had, a service does not start or a step fails.
pub async fn setup(project: &Project, progress: &Progress) -> Result<Report> {
    let settings = &project.settings;
    project.requirements().await?;
    let shown = progress.begin("infra and workdir");
    let (infra, _) = match futures_util::try_join!(
        setup::infra(project, progress),
        prepare::prepare(project, &settings.project_root, progress)
    ) {
        Ok(both) => both,
        Err(error) => {
            shown.failed();
            return Err(error);
        }
    };
    shown.done();
    let ensured = template::ensure(project, &infra, false, progress).await?;
    let uses = |name: &str| settings.services.contains(&service_of(name));
    let services = infra_list(&settings.infra_ports)
        .into_iter()
        .filter(|(name, _)| uses(name))
        .map(|(name, port)| (name.to_owned(), setup::address(port)))
        .collect();
    Ok(Report {
        services,
        template: ensured.as_ref().map(|ensured| ensured.template.database.clone()),
        layers_built: ensured.map_or(0, |ensured| ensured.built),
    })
}

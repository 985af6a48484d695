//! `setup-infra`

use super::Context;
use crate::{error::Result, exit_code::ExitCode, ops};

/// Starts the shared services and builds the template database; changes nothing when all is there
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Sets up.
    ///
    /// # Errors
    /// When something needed cannot be had, a service does not start or a step of the template fails.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let project = context.project()?;
        let progress = context.progress();
        let report = context.block_on(ops::setup_infra::setup(&project, &progress))?;
        if self.json {
            context.printer.json(&report);
        } else {
            for (name, address) in &report.services {
                context.printer.answer(format_args!("{name:<10} {address}"));
            }
            if let Some(template) = &report.template {
                let how = if report.layers_built == 0 {
                    "up to date".to_owned()
                } else {
                    format!("{} layers built", report.layers_built)
                };
                context.printer.answer(format_args!("{:<10} {template} ({how})", "template"));
            }
        }
        Ok(ExitCode::Ok)
    }
}

//! `template list|rebuild`

use jiff::Timestamp;

use super::Context;
use crate::{error::Result, exit_code::ExitCode, ops, output::table};

/// The databases that agents are cloned from
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: TemplateCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TemplateCommand {
    /// Lists all layers of all templates
    List {
        /// A JSON array
        #[arg(long)]
        json: bool,
    },
    /// Builds all layers of this project's template anew; agents keep their databases
    Rebuild,
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// When the server cannot be asked, or a step fails.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let progress = context.progress();
        match self.command {
            TemplateCommand::List { json } => {
                let layers = context.block_on(ops::template::list(context.paths()?, &progress))?;
                if json {
                    context.printer.json(&layers);
                } else {
                    let now = Timestamp::now();
                    let rows = layers.iter().map(|layer| {
                        [
                            layer.template.clone(),
                            layer.step.clone(),
                            layer.database.clone(),
                            format!("{} MB", layer.bytes / 1_000_000),
                            table::age(layer.built, now),
                            layer.fingerprint.chars().take(12).collect(),
                        ]
                    });
                    context
                        .printer
                        .answer(table::render(["template", "step", "database", "size", "age", "fingerprint"], rows));
                }
            }
            TemplateCommand::Rebuild => {
                let project = context.project()?;
                let built = context.block_on(ops::template::rebuild(&project, &progress))?;
                context.printer.tell(format_args!("{built} layers were built."));
            }
        }
        Ok(ExitCode::Ok)
    }
}

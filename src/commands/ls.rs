//! `ls`: all agents.

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    model::id::AgentId,
    ops::{
        health::{self, Health},
        status::{self, AgentStatus, Overall},
    },
    output::table,
};

/// Lists all agents of this user
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask their services too, not only supervisors and the kernel
    #[arg(long)]
    check: bool,
    /// A JSON array
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Row {
    #[serde(rename = "agent")]
    status: AgentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
}

impl Args {
    /// Lists the agents; exit code 1 when one of them is not well.
    ///
    /// # Errors
    /// When the registry cannot be read or a supervisor not be reached.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let rows: Vec<Row> = context.block_on(async {
            let agents = status::all(paths).await?;
            let health = if self.check {
                let ids: Vec<AgentId> = agents.iter().map(|agent| agent.id).collect();
                health::of_all(paths, &ids).await?.into_iter().map(Some).collect()
            } else {
                vec![None; agents.len()]
            };
            Ok(agents.into_iter().zip(health).map(|(status, health)| Row { status, health }).collect())
        })?;
        if self.json {
            context.printer.json(&rows);
        } else if rows.is_empty() {
            context.printer.tell("No agents. Start one with: agent-harness launch next");
        } else {
            context.printer.answer(render(&rows));
        }
        let well = rows
            .iter()
            .all(|row| row.status.state == Overall::Running && row.health.as_ref().is_none_or(|health| health.healthy));
        Ok(if well { ExitCode::Ok } else { ExitCode::Unwell })
    }
}

fn render(rows: &[Row]) -> String {
    let rows = rows.iter().map(|Row { status, health }| {
        let state = match health {
            Some(health) if health.healthy => format!("{}, healthy", status.state),
            Some(health) => format!("{}, {}", status.state, health.first_failure()),
            None => status.state.to_string(),
        };
        [
            status.id.to_string(),
            state,
            status.url.clone().unwrap_or_default(),
            status.project.file_name().unwrap_or_default().to_owned(),
            status.workdir.to_string(),
            status.branch.clone().unwrap_or_default(),
        ]
    });
    table::render(["id", "state", "url", "project", "workdir", "branch"], rows)
}

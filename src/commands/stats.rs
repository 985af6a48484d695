//! `cli <id> stats`: what the agent's processes take.

use super::Context;
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId, ops, output::table};

/// Shows CPU, memory and open files of each process with all its children
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Measures over a short interval and shows the result.
    ///
    /// # Errors
    /// When the agent does not run.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let stats = context.block_on(ops::stats::of(paths, id))?;
        if self.json {
            context.printer.json(&stats);
            return Ok(ExitCode::Ok);
        }
        let rows = stats.processes.iter().chain([&stats.total]).map(|row| {
            let usage = &row.usage;
            let approximate = if usage.memory_exact { "" } else { "~" };
            [
                row.name.clone(),
                usage.processes.to_string(),
                format!("{:.1} %", usage.cpu_percent),
                format!("{:.1} s", usage.cpu_seconds),
                format!("{approximate}{} MB", usage.memory_bytes / 1_000_000),
                usage.open_files.map_or_else(|| "?".to_owned(), |count| count.to_string()),
                usage.threads.to_string(),
            ]
        });
        context
            .printer
            .answer(table::render(["process", "pids", "cpu", "cpu time", "memory", "files", "threads"], rows));
        Ok(ExitCode::Ok)
    }
}

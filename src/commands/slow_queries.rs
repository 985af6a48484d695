//! `cli <id> slow-queries`

use super::Context;
use crate::{error::Result, exit_code::ExitCode, model::id::AgentId, ops, output::table};

/// Shows the agent's ten slowest queries, from pg_stat_statements
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A JSON array
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Shows them, the slowest first.
    ///
    /// # Errors
    /// When the agent is not launched or the server cannot be asked.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let progress = context.progress();
        let queries = context.block_on(ops::slow_queries::of(paths, id, &progress))?;
        if self.json {
            context.printer.json(&queries);
            return Ok(ExitCode::Ok);
        }
        let rows = queries.iter().map(|query| {
            [
                format!("{:.1} ms", query.mean_ms),
                format!("{:.1} ms", query.max_ms),
                format!("{:.0} ms", query.total_ms),
                query.calls.to_string(),
                query.rows.to_string(),
                query.query.split_whitespace().collect::<Vec<_>>().join(" "),
            ]
        });
        context.printer.answer(table::render(["mean", "max", "total", "calls", "rows", "query"], rows));
        Ok(ExitCode::Ok)
    }
}

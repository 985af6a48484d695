//! `cli <id> status`: the processes of one agent.

use jiff::Timestamp;

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    model::{
        id::AgentId,
        status::{Exit, ProcessStatus},
    },
    ops::status::{self, Overall},
    output::table,
};

/// Shows the processes of the agent, asked from its supervisor and the kernel
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Shows how agent `id` is; exit code 1 unless it runs.
    ///
    /// # Errors
    /// When it is not launched or its supervisor cannot be reached.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        let paths = context.paths()?;
        let report = context.block_on(status::agent(paths, id))?;
        if self.json {
            context.printer.json(&report);
        } else {
            context.printer.answer(format_args!(
                "agent {id}: {}  {}",
                report.state,
                report.url.as_deref().unwrap_or("")
            ));
            context.printer.answer(process_table(&report.processes));
        }
        Ok(if report.state == Overall::Running { ExitCode::Ok } else { ExitCode::Unwell })
    }
}

/// The processes of a stack, one a line.
pub(crate) fn process_table(processes: &[ProcessStatus]) -> String {
    let now = Timestamp::now();
    let rows = processes.iter().map(|process| {
        [
            process.name.clone(),
            process.state.to_string(),
            process.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            process.started.map(|since| table::age(since, now)).unwrap_or_default(),
            process.restarts.to_string(),
            process.last_exit.map(describe_exit).unwrap_or_default(),
            process.reason.clone().unwrap_or_default(),
        ]
    });
    table::render(["process", "state", "pid", "up", "restarts", "last exit", "reason"], rows)
}

fn describe_exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::Unknown => "unknown".to_owned(),
    }
}

//! `cli <id> logs [process]`

use jiff::Timestamp;
use serde::Serialize;

use super::Context;
use crate::{
    error::Result,
    exit_code::ExitCode,
    model::{id::AgentId, stack::StackName},
    ops::{self, agent::Agent},
    process::logs::{self, Line, Tail},
};

/// Shows the last lines of the processes' logs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of processes; none means all, each line after its process's name
    processes: Vec<String>,
    /// Lines to show
    #[arg(short = 'n', long, default_value_t = 200)]
    lines: usize,
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: Option<Timestamp>,
    process: &'a str,
    line: std::borrow::Cow<'a, str>,
}

impl Args {
    /// Shows the logs of agent `id`.
    ///
    /// # Errors
    /// When it is not launched, a process is unknown or a log cannot be read.
    pub fn run(self, id: AgentId, context: &Context) -> Result<ExitCode> {
        Agent::open(context.paths()?, id)?;
        self.run_stack(StackName::Agent(id), context)
    }

    /// Shows the logs of a stack.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_stack(self, stack: StackName, context: &Context) -> Result<ExitCode> {
        let directory = context.paths()?.stack(stack);
        let processes = ops::logs::known(&directory, &self.processes)?;
        let prefix = processes.len() != 1;
        let show = |lines: &[Line]| lines.iter().for_each(|line| self.show(line, prefix, context));
        if !self.follow {
            show(&logs::last(&directory, &processes, self.lines)?);
            return Ok(ExitCode::Ok);
        }
        context.block_on(async {
            let (lines, mut tail) = Tail::start(&directory, &processes, self.lines)?;
            show(&lines);
            while let Some(lines) = tail.next().await? {
                show(&lines);
            }
            Ok(ExitCode::Ok)
        })
    }

    fn show(&self, line: &Line, prefix: bool, context: &Context) {
        let text = String::from_utf8_lossy(&line.text);
        if self.json {
            context.printer.json_line(&JsonLine { time: line.time, process: &line.process, line: text });
            return;
        }
        let time = line.time.map(|time| format!("{time:.3} ")).unwrap_or_default();
        if prefix {
            context.printer.answer(format_args!("{time}{} | {text}", line.process));
        } else {
            context.printer.answer(format_args!("{time}{text}"));
        }
    }
}

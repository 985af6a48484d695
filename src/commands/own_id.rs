//! The agent that a command means when it names none: the one whose own worktree the command is called in.
//!
//! An id always comes first, so `logs 1 api` and, inside agent 1's worktree, `logs api` are both read without doubt:
//! only where no id stands is the line read a second time, with the id taken from the worktree.

use std::ffi::OsString;

use camino::Utf8PathBuf;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Context;
use crate::{
    config::{locate, settings},
    error::{Diagnose, Result},
    exit_code::ExitCode,
    model::id::AgentId,
    store::registry::Registry,
};

/// Name of the argument in [`super::agent::WithId`].
pub(super) const ARGUMENT: &str = "agent_id";

/// No id was given, and the current folder belongs to no agent.
#[derive(Debug, thiserror::Error)]
#[error("an agent's id is needed: this folder is no agent's own worktree{}", launched(.0))]
struct NoId(Vec<(AgentId, Utf8PathBuf)>);

/// The agents that there are, each with its workdir.
fn launched(agents: &[(AgentId, Utf8PathBuf)]) -> String {
    if agents.is_empty() {
        return "; none is launched".to_owned();
    }
    let each: Vec<String> = agents.iter().map(|(id, workdir)| format!("{id} in {workdir}")).collect();
    format!("; launched: {}", each.join(", "))
}

impl Diagnose for NoId {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("agent-harness ls".to_owned())
    }
}

impl Context {
    /// The agent whose own worktree the current folder is in.
    ///
    /// # Errors
    /// When the registry cannot be read, or nothing says where it is.
    pub fn own_id(&self) -> Result<Option<AgentId>> {
        let Ok(project) = locate::project(&settings::current_directory()?) else { return Ok(None) };
        if project.workdir == project.root {
            return Ok(None);
        }
        Ok(Registry::read(&self.paths()?.registry())?.owner_of(&project.workdir))
    }

    /// `given`, else the agent whose own worktree the current folder is in.
    ///
    /// # Errors
    /// When there is neither, or as [`Self::own_id`].
    pub fn id_or_own(&self, given: Option<AgentId>) -> Result<AgentId> {
        if let Some(id) = given.map_or_else(|| self.own_id(), |id| Ok(Some(id)))? {
            return Ok(id);
        }
        let registry = Registry::read(&self.paths()?.registry())?;
        Err(NoId(registry.agents().iter().map(|(id, claim)| (*id, claim.workdir.clone())).collect()).into())
    }
}

/// Reads the command line `args` as a `P`. `own` is asked only where a command of one agent names none.
///
/// # Errors
/// What clap says of the line as it stands.
pub fn parse<P: clap::Parser>(args: &[OsString], own: impl FnOnce() -> Option<AgentId>) -> Result<P, clap::Error> {
    let first = match P::try_parse_from(args) {
        Err(error) if lacks_id(&error) => error,
        result => return result,
    };
    let Some(own) = own() else { return Err(first) };
    // After the command's name.
    let mut args = args.to_vec();
    args.insert(2.min(args.len()), format!("--{ARGUMENT}={own}").into());
    let second = with_option(P::command()).try_get_matches_from(args).and_then(|matches| P::from_arg_matches(&matches));
    // A word that stands where the id is expected is more likely a wrong id than anything else.
    second.map_err(|second| if first.kind() == ErrorKind::ValueValidation { first } else { second })
}

/// Whether what is wrong with the line is its id.
fn lacks_id(error: &clap::Error) -> bool {
    let names_id = |text: &String| text == "<ID>";
    matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ValueValidation)
        && error.context().any(|(kind, value)| match value {
            ContextValue::String(text) => kind == ContextKind::InvalidArg && names_id(text),
            ContextValue::Strings(texts) => kind == ContextKind::InvalidArg && texts.iter().any(names_id),
            _ => false,
        })
}

/// `command` with the id no word of the line any more, but an option that only [`parse`] gives.
fn with_option(command: clap::Command) -> clap::Command {
    let commands: Vec<String> = command
        .get_subcommands()
        .filter(|sub| sub.get_arguments().any(|argument| argument.get_id() == ARGUMENT))
        .map(|sub| sub.get_name().to_owned())
        .collect();
    commands.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| sub.mut_arg(ARGUMENT, |argument| argument.long(ARGUMENT).hide(true)))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::commands::agent::WithId;

    #[derive(Debug, clap::Parser)]
    #[command(name = "test")]
    enum Line {
        Status(WithId<Json>),
        Logs(WithId<Logs>),
        Exec(WithId<Exec>),
    }

    #[derive(Debug, clap::Args)]
    struct Json {
        #[arg(long)]
        json: bool,
    }

    #[derive(Debug, clap::Args)]
    struct Logs {
        processes: Vec<String>,
        #[arg(short = 'n', default_value_t = 200)]
        lines: usize,
    }

    #[derive(Debug, clap::Args)]
    struct Exec {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    }

    /// The id and the rest; of an error its first line.
    fn read(line: &str, own: Option<u16>) -> String {
        let args: Vec<OsString> = std::iter::once("test").chain(line.split(' ')).map(OsString::from).collect();
        match parse::<Line>(&args, || own.map(|own| AgentId::new(own).expect("an id"))) {
            Ok(Line::Status(WithId { id, args })) => format!("{id} {}", args.json),
            Ok(Line::Logs(WithId { id, args })) => format!("{id} {} {}", args.lines, args.processes.join(",")),
            Ok(Line::Exec(WithId { id, args })) => format!("{id} {}", args.command.join(" ")),
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    }

    #[rstest]
    #[case("status 1 --json", "1 true")]
    #[case("status --json", "3 true")]
    #[case("status", "3 false")]
    #[case("logs 1 api", "1 200 api")]
    #[case("logs -n 5 1", "1 5 ")]
    #[case("logs -n 5", "3 5 ")]
    #[case("logs api web", "3 200 api,web")]
    #[case("exec node --version", "3 node --version")]
    #[case("exec 1 node -e 1", "1 node -e 1")]
    #[case(
        "status x",
        "error: invalid value 'x' for '<ID>': \"x\" is no agent id: an id is a whole number from 1 to 2300"
    )]
    #[case("status --jsn", "error: unexpected argument '--jsn' found")]
    #[case("exec", "error: the following required arguments were not provided:")]
    fn an_id_may_be_left_out_inside_a_worktree(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(read(line, Some(3)), expected);
    }

    #[rstest]
    #[case("status", "error: the following required arguments were not provided:")]
    #[case(
        "logs api",
        "error: invalid value 'api' for '<ID>': \"api\" is no agent id: an id is a whole number from 1 to 2300"
    )]
    #[case("logs 2 api", "2 200 api")]
    fn elsewhere_it_must_be_given(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(read(line, None), expected);
    }
}

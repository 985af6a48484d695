//! `init`: makes a checkout a project.

use camino::Utf8PathBuf;

use super::Context;
use crate::{
    config::{profiles, settings},
    error::Result,
    exit_code::ExitCode,
    ops::init::{self, Act, Others, Report, Request, Told},
    output::table,
};

/// Writes manifest, scripts, justfile and instructions for coding agents into this checkout
///
/// An app that is known gets the manifest of its profile; for any other one the manifest is made from what the checkout
/// has, with its guesses marked. A file that somebody edited, or that is not of init, is never overwritten unasked.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Take this profile instead of the one that is recognised
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// List the profiles, and do nothing
    #[arg(long)]
    list_profiles: bool,
    /// Write nothing and tell what would change; exit code 1 if anything would
    #[arg(long)]
    check: bool,
    /// Replace edited files and those that are not of init; the manifest aside, and only what git can bring back
    #[arg(long, conflicts_with = "keep")]
    replace: bool,
    /// Leave edited files and those that are not of init as they are, and write the others
    #[arg(long)]
    keep: bool,
    /// Replace an edited manifest too
    #[arg(long)]
    replace_manifest: bool,
    /// Replace even what git could not bring back
    #[arg(long)]
    force: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Listed {
    name: &'static str,
    about: &'static str,
}

impl Args {
    /// Writes what is missing or outdated.
    ///
    /// # Errors
    /// When something is in the way; then nothing was written.
    pub fn run(self, context: &Context) -> Result<ExitCode> {
        if self.list_profiles {
            return Ok(self.list(context));
        }
        let directory = settings::current_directory()?;
        let base_env = context.environment().base();
        let program = std::env::current_exe().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
        let request = Request {
            directory: &directory,
            profile: self.profile.as_deref(),
            told: Told { others: self.others(), replace_manifest: self.replace_manifest, force: self.force },
            check: self.check,
            base_env: &base_env,
            program: program.as_deref().filter(|program| program.is_file()),
        };
        let report = context.block_on(init::init(&request))?;
        if self.json {
            context.printer.json(&report);
        } else if self.check {
            tell_check(&report, context);
        } else {
            tell(&report, context);
        }
        Ok(if self.check && report.changes { ExitCode::Unwell } else { ExitCode::Ok })
    }

    const fn others(&self) -> Others {
        match (self.replace, self.keep) {
            (true, _) => Others::Replace,
            (false, true) => Others::Keep,
            (false, false) => Others::Stop,
        }
    }

    fn list(&self, context: &Context) -> ExitCode {
        let listed = profiles::ALL.iter().map(|profile| Listed { name: profile.name, about: profile.about });
        if self.json {
            context.printer.json(&listed.collect::<Vec<_>>());
        } else {
            let rows = listed.map(|profile| [profile.name.to_owned(), profile.about.to_owned()]);
            context.printer.answer(table::render(["profile", "app"], rows));
        }
        ExitCode::Ok
    }
}

fn tell_check(report: &Report, context: &Context) {
    if !report.changes {
        context.printer.tell(format_args!("{} is up to date.", report.root));
    }
    for line in lines(report) {
        context.printer.answer(line);
    }
}

fn tell(report: &Report, context: &Context) {
    let say = |text: std::fmt::Arguments<'_>| context.printer.tell(text);
    if !report.changes {
        say(format_args!("{} is up to date; nothing was changed.", report.root));
        return;
    }
    for line in lines(report) {
        say(format_args!("{line}"));
    }
    if let Some(program) = &report.program {
        say(format_args!("agent-harness is not in PATH: the scripts of this clone will use {program}."));
    }
    match &report.profile {
        Some(profile) => say(format_args!("This app is known: its manifest is that of the profile {profile}.")),
        None => say(format_args!("Look at what was guessed in agent-harness/harness.toml, then commit these files.")),
    }
    for sentence in &report.open {
        say(format_args!("note: {sentence}"));
    }
    let next =
        if report.processes.is_empty() { "edit agent-harness/harness.toml" } else { "./agent-harness/launch.sh 1" };
    say(format_args!("next:  {next}"));
}

/// A line for every file with which something is.
fn lines(report: &Report) -> impl Iterator<Item = String> {
    let word = |act: &Act| match act {
        Act::None => None,
        Act::Write => Some("write  "),
        Act::Update => Some("update "),
        Act::Replace => Some("replace"),
        Act::Keep => Some("keep   "),
        Act::InWay => Some("in way "),
    };
    report.files.iter().filter_map(move |(path, act)| Some(format!("{}  {path}", word(act)?)))
}

//! Examples in README and docs are run.

use camino::Utf8Path;

use crate::world::{World, project::Project, run::run};

fn read(path: &str) -> String {
    fs_err::read_to_string(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file of ours")
}

/// The section of `text` below the heading `title`.
fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n{title}\n")).unwrap_or_else(|| panic!("no section {title:?}"));
    rest.split("\n## ").next().expect("a section")
}

/// The command lines of the shell examples in `text`, without comments.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_quick_start_works_as_written() {
    let project = Project::guestbook();
    let commands = commands(section(&read("README.md"), "## Quick Start"));
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let args = shlex::split(&command).expect("words");
        assert_eq!(args[0], "agent-harness", "{command}");
        let args: Vec<&str> = args[1..].iter().map(String::as_str).collect();
        project.run(&args).exits(0);
    }
}

#[test]
fn every_command_of_the_readme_exists() {
    let world = World::new();
    let readme = read("README.md");
    let rows = section(&readme, "## Commands").lines().filter_map(|line| line.strip_prefix("| `"));
    let mut seen = 0;
    for row in rows {
        for command in row.split(" |").next().expect("a cell").split('`').step_by(2) {
            let words = command.split_whitespace().filter(|word| !word.contains(['<', '[', '…']));
            let mut args: Vec<&str> = words.take_while(|word| !word.starts_with("--")).collect();
            if args.is_empty() || !row.starts_with(args[0]) {
                continue;
            }
            if args[0] == "cli" {
                args.insert(1, "1");
            }
            args.retain(|word| *word != "next");
            args.push("--help");
            run(&mut world.harness(&args)).exits(0);
            seen += 1;
        }
    }
    assert!(seen >= 14, "only {seen} commands were found in the table");
}

#[test]
fn the_gate_runs_what_the_readme_says() {
    let commands = commands(section(&read("README.md"), "## Two commands"));
    let [demo, tests, ..] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(demo, "cargo run --release --locked -- demo");
    let gate = read(".ci/run");
    assert!(gate.lines().any(|line| line.trim() == tests), ".ci/run does not run {tests:?}");
}

#[test]
fn the_exit_codes_are_those_of_the_table() {
    use agent_harness::exit_code::ExitCode;
    let readme = read("README.md");
    let documented: Vec<u8> = section(&readme, "## Commands")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    let codes = [
        ExitCode::Ok,
        ExitCode::Unwell,
        ExitCode::Usage,
        ExitCode::Missing,
        ExitCode::Conflict,
        ExitCode::StepFailed,
        ExitCode::Internal,
        ExitCode::Interrupted,
    ];
    assert_eq!(documented, codes.map(|code| code as u8));
}

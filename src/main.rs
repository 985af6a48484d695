//! argv in, exit code out.

fn main() -> std::process::ExitCode {
    agent_harness::cli::main()
}

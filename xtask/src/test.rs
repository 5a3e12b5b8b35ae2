//! `cargo xtask test`: the tests of this workspace, on a PostgreSQL of one's choice.

use std::process::ExitCode;

use refit_xtask::Context;
use xshell::{Cmd, Shell, cmd};

/// Run the tests on a chosen PostgreSQL.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --fast\n  cargo xtask test --pg 17 -- -p refit-tests cases::apply\n  cargo xtask test --chaos 60"
)]
pub(crate) struct Args {
    /// Major version; fetched when the machine does not have it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
    /// Kill processes and cut connections at random for so many seconds per kind of work, and at least 200 times
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    chaos: Option<u32>,
    /// Only tests that need no PostgreSQL and only seconds: unit tests, and those of the model and the grammar
    #[arg(long, conflicts_with_all = ["pg", "chaos"])]
    fast: bool,
    /// Arguments for cargo test
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What `--chaos` runs: one kind of work after the other, each saying how often it was attacked.
const CHAOS: [&str; 9] = [
    "-p",
    "refit-tests",
    "--test",
    "integration",
    "cases::chaos",
    "--",
    "--test-threads",
    "1",
    "--nocapture",
];

/// What `--fast` runs: unit tests, and the integration tests that need no server and only seconds.
const FAST: [&str; 9] =
    ["--workspace", "--lib", "--bins", "--test", "folder", "--test", "grammar", "--test", "versions"];

/// Runs `cargo test`; its exit status becomes 0 or 1.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(&context.workspace);
    let _pg = args.pg.map(|major| shell.push_env("REFIT_PG", major.to_string()));
    let _chaos = args.chaos.map(|seconds| shell.push_env("REFIT_CHAOS", seconds.to_string()));
    let arguments = &args.arguments;
    let chosen: &[&str] = match args.chaos {
        _ if args.fast => &FAST,
        _ if !arguments.is_empty() => &[],
        Some(_) => &CHAOS,
        None => &["--workspace"],
    };
    let command = cmd!(shell, "cargo test {chosen...} {arguments...}");
    let passed = refit_xtask::set_by_cargo_run().fold(command, Cmd::env_remove).run().is_ok();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

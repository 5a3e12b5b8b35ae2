//! `cargo xtask test`: the tests of this workspace, on a PostgreSQL of one's choice.

use std::process::ExitCode;

use refit_xtask::Context;
use xshell::{Shell, cmd};

/// Run the tests on a chosen PostgreSQL.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --pg 17 -- -p refit-tests cases::apply\n  cargo xtask test --chaos 60"
)]
pub(crate) struct Args {
    /// Major version; fetched when the machine does not have it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
    /// Kill processes and cut connections at random for so many seconds per kind of work, and at least 200 times
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    chaos: Option<u32>,
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

/// Runs `cargo test`; its exit status becomes 0 or 1.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(&context.workspace);
    let _pg = args.pg.map(|major| shell.push_env("REFIT_PG", major.to_string()));
    let _chaos = args.chaos.map(|seconds| shell.push_env("REFIT_CHAOS", seconds.to_string()));
    let arguments = match (args.arguments.is_empty(), args.chaos) {
        (false, _) => args.arguments.clone(),
        (true, None) => vec!["--workspace".to_owned()],
        (true, Some(_)) => CHAOS.map(str::to_owned).to_vec(),
    };
    let passed = cmd!(shell, "cargo test {arguments...}").run().is_ok();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

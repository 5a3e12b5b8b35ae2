//! `cargo xtask test`: the tests of this workspace, on any supported PostgreSQL.

use std::process::ExitCode;

use refit_xtask::Context;
use xshell::{Cmd, Shell, cmd};

/// Run the tests, on any supported PostgreSQL.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --fast\n  cargo xtask test --pg 17 -- -p refit-tests cases::apply\n  cargo xtask test --chaos 60"
)]
pub(crate) struct Args {
    /// Major version of PostgreSQL; it is downloaded if it is not installed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
    /// Kill processes and cut connections at random, for this many seconds and at least 200 times per kind of work
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    chaos: Option<u32>,
    /// Run only fast tests without PostgreSQL: unit tests, and those of the model and the grammar
    #[arg(long, conflicts_with_all = ["pg", "chaos"])]
    fast: bool,
    /// Arguments for cargo test
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The tests of `--chaos`, one kind of work after the other; each prints the number of kills and cuts.
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

/// The tests of `--fast`: unit tests, and fast integration tests without a server.
const FAST: [&str; 11] = [
    "--workspace",
    "--lib",
    "--bins",
    "--test",
    "folder",
    "--test",
    "grammar",
    "--test",
    "signatures",
    "--test",
    "versions",
];

/// Runs `cargo test`. The exit status is 0 or 1.
///
/// # Errors
/// If cargo cannot be started.
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

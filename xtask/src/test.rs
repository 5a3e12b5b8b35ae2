//! `cargo xtask test`: the tests of this workspace, on a PostgreSQL of one's choice.

use std::process::ExitCode;

use refit_xtask::Context;
use xshell::{Shell, cmd};

/// Run the tests on a chosen PostgreSQL.
///
/// Examples:
///   cargo xtask test
///   cargo xtask test --pg 17 -- -p refit-tests cases::apply
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Major version; fetched when the machine does not have it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
    /// Arguments for cargo test
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs `cargo test`; its exit status becomes 0 or 1.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(&context.workspace);
    let _pg = args.pg.map(|major| shell.push_env("REFIT_PG", major.to_string()));
    let arguments: &[String] =
        if args.arguments.is_empty() { &["--workspace".to_owned()] } else { &args.arguments };
    let passed = cmd!(shell, "cargo test {arguments...}").run().is_ok();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

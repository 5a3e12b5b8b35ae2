//! `cargo xtask bench`: builds `refit-bench` and runs it in place of this process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::anyhow;
use refit_xtask::Context;

/// Run the benchmarks behind the figures of the documentation.
///
/// Builds the package `refit-bench`, as a release build unless `--as-built` is given, and runs it with these arguments.
#[derive(Clone, Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// A bench and its arguments; --help lists the benches
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "BENCH")]
    arguments: Vec<OsString>,
}

/// Replaces this process with the benchmarks, which inherit its terminal and set its exit status.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for name in refit_xtask::set_by_cargo_run() {
        command.env_remove(name);
    }
    command.args(["run", "--quiet", "--package", "refit-bench"]);
    command.arg("--manifest-path").arg(context.workspace.join("Cargo.toml"));
    if measures(&args.arguments) {
        command.arg("--release");
    }
    command.arg("--");
    // Global options before the name of the bench were parsed here.
    if !context.out.human() {
        command.args(["--format", "json"]);
    }
    if context.global.verbose {
        command.arg("--verbose");
    }
    Err(anyhow!(command.args(&args.arguments).exec()).context("cannot run cargo to build refit-bench"))
}

/// Whether a release build is needed. It is not needed to print help, to run cargo, or with `--as-built`.
fn measures(arguments: &[OsString]) -> bool {
    let is = |names: &[&str]| arguments.iter().any(|argument| names.iter().any(|name| argument == name));
    let as_built = cfg!(debug_assertions) && is(&["--as-built"]);
    !(arguments.is_empty() || as_built || is(&["build", "-h", "--help", "help", "-V", "--version"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_is_used_except_for_help_and_as_built() {
        let measures =
            |line: &str| measures(&line.split_whitespace().map(OsString::from).collect::<Vec<OsString>>());
        assert!(measures("boot --quick"));
        for line in ["", "build --quick", "boot --as-built", "lint --help", "help lint"] {
            assert!(!measures(line), "{line}");
        }
    }
}

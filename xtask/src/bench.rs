//! `cargo xtask bench`: builds and becomes `refit-bench`. The peers that benches run beside Refit are compiled for it only.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::anyhow;
use refit_xtask::Context;

/// Measure what the README claims.
///
/// Everything after `bench` goes to a program of its own, which is built first: a release build, unless `--as-built` is among
/// the arguments.
#[derive(Clone, Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// A bench and its arguments; --help lists the benches
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "BENCH")]
    arguments: Vec<OsString>,
}

/// Replaces this process by the benches: their terminal and their exit status are its own.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "refit-bench"]);
    command.arg("--manifest-path").arg(context.workspace.join("Cargo.toml"));
    if measures(&args.arguments) {
        command.arg("--release");
    }
    command.arg("--");
    // Options that were written before the name of the bench are read as those of every command.
    if !context.out.human() {
        command.args(["--format", "json"]);
    }
    if context.global.verbose {
        command.arg("--verbose");
    }
    Err(anyhow!(command.args(&args.arguments).exec()).context("cannot run cargo to build refit-bench"))
}

/// Whether a release build is called for: not to print the help, and not where the debug build is to be measured.
fn measures(arguments: &[OsString]) -> bool {
    let is = |names: &[&str]| arguments.iter().any(|argument| names.iter().any(|name| argument == name));
    let as_built = cfg!(debug_assertions) && is(&["--as-built"]);
    !(arguments.is_empty() || as_built || is(&["-h", "--help", "help", "-V", "--version"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_is_measured_unless_another_is_asked_for() {
        let measures =
            |line: &str| measures(&line.split_whitespace().map(OsString::from).collect::<Vec<OsString>>());
        assert!(measures("boot --quick"));
        assert!(
            !measures("boot --as-built")
                && !measures("lint --help")
                && !measures("help lint")
                && !measures("")
        );
    }
}

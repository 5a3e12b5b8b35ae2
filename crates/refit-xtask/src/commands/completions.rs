//! `cargo xtask completions SHELL`

use std::process::ExitCode;

use clap_complete::Shell;

use crate::context::Context;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask completions bash > ~/.local/share/bash-completion/completions/xtask"
)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    // Complete the name of the binary: cargo's own completion does not support aliases.
    let mut command = context.command_line.clone().bin_name("xtask").name("xtask");
    clap_complete::generate(args.shell, &mut command, "xtask", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

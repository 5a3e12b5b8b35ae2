//! `cargo xtask ci`

use std::process::ExitCode;

use anyhow::bail;
use xshell::{Cmd, Shell, cmd};

use crate::context::Context;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stops at the first step that fails.\n\nExamples:\n  cargo xtask ci\n  cargo xtask ci --skip test"
)]
pub struct Args {
    /// Skip a step: format, clippy, docs, rules, reference, migrations, lint, snapshot, test
    #[arg(long, value_name = "STEP", value_parser = STEPS)]
    skip: Vec<String>,
}

const STEPS: [&str; 9] =
    ["format", "clippy", "docs", "rules", "reference", "migrations", "lint", "snapshot", "test"];

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(&context.workspace);
    for step in STEPS {
        if args.skip.iter().any(|skipped| skipped == step) {
            context.out.note(format_args!("ci: {step} is skipped"));
            continue;
        }
        context.out.note(format_args!("ci: {step}"));
        let done = match step {
            "format" => cargo(cmd!(shell, "cargo fmt --all --check")),
            "clippy" => cargo(cmd!(shell, "cargo clippy --quiet --workspace --all-targets -- -D warnings")),
            "docs" => {
                let _flags = shell.push_env("RUSTDOCFLAGS", "-D warnings");
                cargo(cmd!(shell, "cargo doc --quiet --workspace --no-deps"))
            }
            "rules" => rules(&shell, context),
            "reference" => reference(&shell, context),
            "migrations" => migrations(&shell, context),
            "lint" => lint(&shell, context),
            "snapshot" => snapshot(&shell, context),
            _ => cargo(cmd!(shell, "cargo test --workspace")),
        };
        if let Err(error) = done {
            bail!("ci: {step} failed: {error}");
        }
    }
    context.out.result(&serde_json::json!({ "passed": true }), "ci: passed")?;
    Ok(ExitCode::SUCCESS)
}

fn cargo(command: Cmd<'_>) -> xshell::Result<()> {
    crate::set_by_cargo_run().fold(command, Cmd::env_remove).run()
}

/// Checks that the documents of the rules and the recipes, if there are any, match the code.
fn rules(shell: &Shell, context: &Context) -> xshell::Result<()> {
    let program = program();
    for document in [crate::render::rules::DOCUMENT, crate::render::recipes::DOCUMENT] {
        let text = std::fs::read_to_string(context.workspace.join(document)).unwrap_or_default();
        // A document of that name may be about anything.
        if text.contains("cargo xtask explain --markdown") {
            cmd!(shell, "{program} explain --check {document}").run()?;
        }
    }
    Ok(())
}

/// Where the workspace has a task `reference`, the pages that it writes are up to date.
fn reference(shell: &Shell, context: &Context) -> xshell::Result<()> {
    if context.command_line.find_subcommand("reference").is_none() {
        return Ok(());
    }
    let program = program();
    cmd!(shell, "{program} reference --check").run()
}

fn lint(shell: &Shell, context: &Context) -> xshell::Result<()> {
    let (program, folder) = (program(), context.migrations_dir());
    cmd!(shell, "{program} lint-migrations --migrations {folder}").run()
}

/// Checks that the snapshots, if there are any, match the migrations.
fn snapshot(shell: &Shell, context: &Context) -> xshell::Result<()> {
    let (program, folder) = (program(), context.migrations_dir());
    if !folder.join(refit_rehearsal::SNAPSHOTS).exists() {
        return Ok(());
    }
    cmd!(shell, "{program} snapshot --check --migrations {folder}").run()
}

fn program() -> std::path::PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "xtask".into())
}

/// Checks that the folder is well-formed and applies to an empty database.
fn migrations(shell: &Shell, context: &Context) -> xshell::Result<()> {
    let folder = context.migrations_dir();
    let program = program();
    let _url = shell.push_env("DATABASE_URL", "");
    cmd!(shell, "{program} migrate --private --migrations {folder}").run()
}

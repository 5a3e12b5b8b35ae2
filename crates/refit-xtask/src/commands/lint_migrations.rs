//! `cargo xtask lint-migrations [PATH…]`

use std::path::PathBuf;
use std::process::ExitCode;

use refit_lint::{Outcome, lint};

use crate::commands::lint::{self, Report, baseline, levels, since, sources::Sources};
use crate::context::Context;
use crate::output::Format;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "All files are replayed in order into one schema; explicit paths are one set in name order, and need not be \
                  named like migrations. Levels in refit.toml ([lint.rules], [[lint.path]]) hold where no option says \
                  otherwise.\n\n\
                  Exit status: 0 no errors or warnings, 1 some, 2 could not run.\n\n\
                  Examples:\n  cargo xtask lint-migrations\n  cargo xtask lint-migrations --since origin/main --format github\n  \
                  cargo xtask lint-migrations --deny missing-down --allow create-trigger\n  \
                  cargo xtask lint-migrations --baseline lint.json --write-baseline\n  \
                  pg_dump --schema-only app | cargo xtask lint-migrations -"
)]
pub struct Args {
    /// Files and folders to lint instead of the migrations folder; `-` is standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Report only what changed since the merge base with this commit, branch or tag
    #[arg(long, value_name = "REF", conflicts_with = "write_baseline")]
    since: Option<String>,
    /// Accept the findings in this file
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings to the baseline, so that only new ones are reported from now on
    #[arg(long, requires = "baseline")]
    write_baseline: bool,
    /// What this rule finds is an error
    #[arg(long, value_name = "RULE")]
    deny: Vec<String>,
    /// What this rule finds is a warning
    #[arg(long, value_name = "RULE")]
    warn: Vec<String>,
    /// Do not ask this rule
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,
    /// The oldest PostgreSQL in use [default: `postgres` in refit.toml, else 14]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
    // The global option with more to choose from: same name and type, so that it may stand before the command as well.
    /// How findings are printed
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut sources = Sources::read(&args.paths, context)?;
    if let Some(reference) = &args.since {
        since::report_changed(&mut sources, reference)?;
    }
    let mut config = sources.config.clone();
    config.postgres = args.pg.unwrap_or(config.postgres);
    levels::apply(&mut config, [&args.deny, &args.warn, &args.allow])?;
    match &args.baseline {
        Some(file) if args.write_baseline => {
            let count = baseline::write(file, &lint(&sources.inputs, &config).findings)?;
            let text = format!("{count} findings are accepted in {}", file.display());
            context.out.result(&serde_json::json!({ "format": 1, "accepted": count }), text)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(file) => config.baseline = baseline::read(file)?,
        None => {}
    }
    let outcome = lint(&sources.inputs, &config);
    let report = Report { sources: &sources, outcome: &outcome };
    context.out.print(lint::render(&report, args.format)?)?;
    Ok(status(&outcome))
}

/// Notes alone are no reason to stop.
fn status(outcome: &Outcome) -> ExitCode {
    let fails = outcome.summary.errors + outcome.summary.warnings > 0;
    if fails { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

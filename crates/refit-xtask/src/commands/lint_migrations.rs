//! `cargo xtask lint-migrations [PATH…]`

use std::path::PathBuf;
use std::process::ExitCode;

use refit_lint::{Outcome, lint};
use refit_model::wording::{grouped, plural};

use crate::context::Context;
use crate::lint::sources::Sources;
use crate::lint::{baseline, conflicts, fix, levels, since, trace};
use crate::output::{Format, one_of};
use crate::render::lint::{FORMATS, Rendered, Report, render};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The files are replayed in order into one schema. Explicit paths are one set in name order and need not have names of \
                  migrations. Options override the levels in refit.toml ([lint.rules], [[lint.path]]).\n\n\
                  --fix rewrites a migration into a sequence of migrations that does the same without the hazard, each with its \
                  directives, and renumbers later versions. A migration on the main branch may have run somewhere and is not \
                  changed unless --fix-tracked is given. The command does not ask: it prints the diff, writes all files or none, and \
                  reports the remaining findings.\n\n\
                  --trace runs all files on a private server and shows where it differs from the prediction. A statement \
                  that fails there is an error.\n\n\
                  --since also reports conflicts (branch-conflict): migrations that this branch and the other one have added since the \
                  merge base and that have one version, or touch the same objects. With --prove, both orders run, each on a private \
                  server, and the schemas are compared: a conflict whose orders make the same schema becomes a note.\n\n\
                  Exit status: 0 no errors or warnings; 1 errors or warnings (with --dry-run also if files would change); 2 could \
                  not run.\n\n\
                  Examples:\n  cargo xtask lint-migrations\n  cargo xtask lint-migrations --since origin/main --format github\n  \
                  \
                  cargo xtask lint-migrations --since main --prove\n  \
                  cargo xtask lint-migrations --deny missing-down --allow create-trigger\n  \
                  cargo xtask lint-migrations --baseline lint.json --write-baseline\n  \
                  cargo xtask lint-migrations --fix --dry-run\n  \
                  cargo xtask lint-migrations --trace --since origin/main --rows 100000\n  \
                  pg_dump --schema-only app | cargo xtask lint-migrations -"
)]
pub struct Args {
    /// Files and folders to lint instead of the migrations folder; `-` is standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Report only what changed since the merge base with this commit, branch or tag
    #[arg(long, value_name = "REF", conflicts_with = "write_baseline")]
    since: Option<String>,
    /// With --since, run the new migrations of both branches in both orders on private servers, and compare the schemas
    #[arg(long, requires = "since", conflicts_with_all = ["fix", "paths"])]
    prove: bool,
    /// Accept the findings in this file
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings to the baseline, so that only new ones are reported from now on
    #[arg(long, requires = "baseline")]
    write_baseline: bool,
    /// Report findings of this rule as errors
    #[arg(long, value_name = "RULE")]
    deny: Vec<String>,
    /// Report findings of this rule as warnings
    #[arg(long, value_name = "RULE")]
    warn: Vec<String>,
    /// Disable this rule
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,
    /// The oldest PostgreSQL in use [default: `postgres` in refit.toml, else 14]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
    /// Rewrite migrations to do the same without the hazard, where there is a mechanical fix
    #[arg(long, conflicts_with = "write_baseline")]
    fix: bool,
    /// With --fix, also fix migrations of the main branch, which may have run somewhere
    #[arg(long, requires = "fix")]
    fix_tracked: bool,
    /// With --fix, show what would change and write nothing
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Run the migrations on a private PostgreSQL, and show what each statement locks, rewrites and scans, and how long it takes
    #[arg(long, conflicts_with_all = ["write_baseline", "fix"])]
    trace: bool,
    /// With --trace, number of rows to generate per table before the first reported migration
    #[arg(long, value_name = "N", requires = "trace", default_value_t = 1000)]
    rows: u32,
    // The global option with more formats. It has the same name and type, so it may also precede the command.
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human", value_parser = one_of(FORMATS))]
    format: Format,
}

impl Args {
    /// Whether the command needs a server.
    pub(super) fn needs_runtime(&self) -> bool {
        self.trace || self.prove
    }
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut sources = Sources::read(&args.paths, context)?;
    if let Some(reference) = &args.since {
        since::report_changed(&mut sources, reference)?;
    }
    let mut config = sources.config.clone();
    config.postgres = args.pg.or(config.postgres);
    levels::apply(&mut config, [&args.deny, &args.warn, &args.allow])?;
    match &args.baseline {
        Some(file) if args.write_baseline => {
            let count = baseline::write(file, &lint(&sources.inputs, &config).findings)?;
            let what = plural(count, "finding is", "findings are");
            let text = format!("{} {what} accepted in {}", grouped(count), file.display());
            context.out.result(&serde_json::json!({ "format": 1, "accepted": count }), text)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(file) => config.baseline = baseline::read(file)?,
        None => {}
    }
    let fixed = match args.fix {
        true => Some(fix::fix(&mut sources, &config, args.fix_tracked, args.dry_run)?),
        false => None,
    };
    let mut outcome = lint(&sources.inputs, &config);
    if let Some(reference) = args.since.as_deref().filter(|_| args.paths.is_empty()) {
        Box::pin(conflicts::run(reference, args.prove, &sources, &mut outcome, context)).await?;
    }
    let traced = match args.trace {
        true => Some(trace::run(&sources, args.rows, &mut outcome, context).await?),
        false => None,
    };
    let report =
        Report { sources: &sources, outcome: &outcome, fixed: fixed.as_ref(), traced: traced.as_ref() };
    match render(&report, args.format)? {
        Rendered::Text(text) => context.out.print(text)?,
        Rendered::Document(document) => context.out.document(&document)?,
    }
    let would_change = fixed.is_some_and(|fixed| !fixed.written && fixed.changes());
    Ok(if would_change { ExitCode::from(1) } else { status(&outcome) })
}

/// Notes alone do not fail.
fn status(outcome: &Outcome) -> ExitCode {
    let fails = outcome.summary.errors + outcome.summary.warnings > 0;
    if fails { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

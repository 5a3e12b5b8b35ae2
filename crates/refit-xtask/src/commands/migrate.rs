//! `cargo xtask migrate`

use std::process::ExitCode;
use std::time::Duration;

use refit::backfill::JobStatus;
use refit::{Backfills, Gate, HeldStep, Plan, Report, StepKind};
use refit_model::{MigrationSet, version_of};
use serde::Serialize;

use crate::backfills::{Failure, Worked, unfinished_lines, work};
use crate::context::{Context, version_argument};
use crate::database::Database;
use crate::interrupt::interruptible;
use crate::render::dry_run::{FileSql, show};
use crate::{progress, render};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Applying a backfill's migration registers it. Inline, it is then worked on to its end, and what waits for it is \
                        applied; Ctrl-C stops that, and another run goes on from there.\n\n\
                        Exit status: 0 applied or nothing to do, 1 with --dry-run when something is pending or \
                        when a backfill was not completed or a step failed beside one that is held back, 2 could not run.\n\nExamples:\n  cargo xtask migrate --database-url postgres://localhost/app\n  \
                        cargo xtask migrate --dry-run\n  cargo xtask migrate --to V0012 --include V0009\n  \
                        cargo xtask migrate --backfills hold && cargo xtask backfill run --dry-run"
)]
pub struct Args {
    /// Apply no version above this one, and no repeatable migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Option<i64>,
    /// Run a manual migration too
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    include: Vec<i64>,
    /// Who finishes backfills
    #[arg(long, value_name = "WHO", value_enum, default_value_t = Finisher::Inline)]
    backfills: Finisher,
    /// Print the plan and its SQL, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Work on a private, empty database that is thrown away, whatever database is named
    #[arg(long)]
    private: bool,
}

/// Who finishes backfills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Finisher {
    /// This command, before it ends
    Inline,
    /// A service, in the background, once it boots with these migrations
    Background,
    /// Nobody by himself: `backfill run`, when the time has come
    Hold,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let mut migrator = context.migrator(set.clone());
    if let Some(to) = args.to {
        migrator = migrator.to(to);
    }
    for version in &args.include {
        migrator = migrator.include(*version);
    }
    let database = if args.private {
        Database::private(context).await?
    } else {
        Database::named_or_private(context).await?
    };
    if args.dry_run {
        let connection = database.connect().await?;
        let plan = migrator.plan(&connection).await?;
        connection.close().await;
        return dry_run(&plan, &set, context);
    }
    // Backfills are worked on afterwards, in sight.
    let registering = migrator.clone().backfills(Backfills::Hold);
    let shown = progress::shown(registering, context.out);
    let report = interruptible(&context.interrupt, context.out, shown.run(database.url())).await??;
    if set.has_backfills() && args.backfills == Finisher::Inline {
        let worked = work(&migrator, database.url(), context).await?;
        return filled(report, worked, &database.address(), context);
    }
    let mut text = summary(&report, &report.held, &database.address());
    if set.has_backfills() {
        let connection = database.connect().await?;
        let state = migrator.state(&connection).await?;
        let backfills = JobStatus::all(&connection, &state).await?;
        connection.close().await;
        text.push_str(&left(&backfills, args.backfills));
    }
    context.out.result(&report, text)?;
    // With `hold`, no second attempt follows for a step that failed while others are held back.
    let failed = report.held.iter().any(|held| matches!(held.gate, Gate::Failed { .. }));
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What machines are told where backfills were worked on.
#[derive(Serialize)]
struct Filled<'a> {
    #[serde(flatten)]
    report: &'a Report,
    failures: &'a [Failure],
    interrupted: bool,
}

fn filled(mut report: Report, worked: Worked, address: &str, context: &Context) -> anyhow::Result<ExitCode> {
    let nothing = worked.backfills.is_empty() && worked.failures.is_empty() && !worked.interrupted;
    report.version =
        worked.applied.iter().filter_map(|step| version_of(&step.stem)).max().max(report.version);
    report.steps.extend(worked.applied.iter().cloned());
    report.backfills = worked.backfills.iter().map(|seen| seen.status.clone()).collect();
    report.duration += Duration::from_secs_f64(worked.seconds);
    if !worked.interrupted {
        report.held.clone_from(&worked.held);
    }
    let text = match nothing {
        true => summary(&report, &report.held, address),
        false => format!("{}\n{}", worked.text(), summary(&report, &[], address)),
    };
    let Worked { failures, interrupted, .. } = &worked;
    context.out.result(&Filled { report: &report, failures, interrupted: *interrupted }, text)?;
    Ok(if worked.failures.is_empty() && !interrupted { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The backfills that are left to somebody else.
fn left(backfills: &[JobStatus], finisher: Finisher) -> String {
    let lines = unfinished_lines(backfills);
    if lines.is_empty() {
        return lines;
    }
    let who = match finisher {
        Finisher::Background => {
            "a service that boots with these migrations finishes them, or `cargo xtask backfill run`"
        }
        _ => "`cargo xtask backfill run` finishes them, or a service that does not hold them",
    };
    format!("{lines}\n{who}")
}

/// What is left to say when the steps were shown as they happened.
fn summary(report: &Report, held: &[HeldStep], address: &str) -> String {
    let mut lines: Vec<String> =
        report.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    lines.extend(held.iter().map(|step| format!("  held    {}  ({})", step.stem, step.gate)));
    lines.push(format!("{} ({address})", report.summary()));
    lines.join("\n")
}

fn dry_run(plan: &Plan, set: &MigrationSet, context: &Context) -> anyhow::Result<ExitCode> {
    let sql = |step: &refit::PlannedStep| match step.kind {
        StepKind::Versioned => {
            step.version.and_then(|version| set.migration(version)).map(|m| m.sql.as_ref())
        }
        StepKind::Repeatable => {
            set.repeatables().iter().find(|repeatable| repeatable.stem == step.stem).map(|r| r.sql.as_ref())
        }
        _ => None,
    };
    let statements: Vec<FileSql<'_>> = plan
        .pending
        .iter()
        .filter_map(|step| sql(step).map(|sql| FileSql { path: &step.path, sql }))
        .collect();
    show(plan, render::plan::plan(plan), statements, context)?;
    Ok(if plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

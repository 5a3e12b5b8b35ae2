//! `cargo xtask migrate`

use std::process::ExitCode;
use std::time::Duration;

use refit::backfill::JobStatus;
use refit::{Backfills, Budgets, Gate, HeldStep, Plan, Report, StepKind};
use refit_model::{MigrationSet, version_of};
use serde::Serialize;

use crate::backfills::{Failure, Worked, work};
use crate::backups::RunBackup;
use crate::context::{Context, reason_argument, version_argument};
use crate::database::Database;
use crate::hooks::with_hooks;
use crate::interrupt::interruptible;
use crate::render::backfill::unfinished;
use crate::render::dry_run::{DryRun, FileSql};
use crate::selection::{Packages, Target};
use crate::styled::{Text, text};
use crate::{progress, promotions, render};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Applying a backfill's migration registers the backfill. With --backfills inline, the command then runs it and applies \
                  the steps that wait for it. Ctrl-C stops the command; the next run resumes there.\n\n\
                  If refit.toml has a profile for the environment, its windows, freeze periods and `requires` must admit the run. In an \
                  environment that another one requires, the command records in promotions.toml what is applied.\n\n\
                  Exit status: 0 applied or nothing to do; 1 a backfill is not complete, a step failed while others are held, \
                  the window of the environment closed after some steps, or \
                  (with --dry-run) something is pending; 2 could not run.\n\n\
                  Examples:\n  cargo xtask migrate --database-url postgres://localhost/app\n  \
                        cargo xtask migrate --dry-run\n  cargo xtask migrate --to V0012 --include V0009\n  \
                        cargo xtask migrate --to-release 2.0\n  cargo xtask migrate --to-package base\n  \
                        cargo xtask migrate --environment staging\n  \
                        cargo xtask migrate --override INC-4711\n  \
                        cargo xtask migrate --backfills hold && cargo xtask backfill run --dry-run\n  \
                        cargo xtask migrate --backup tables"
)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    packages: Packages,
    /// Also run this manual migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    include: Vec<i64>,
    /// How backfills run
    #[arg(long, value_name = "MODE", value_enum, default_value_t = BackfillMode::Inline)]
    backfills: BackfillMode,
    /// Run the checks of the migrations that are applied
    #[arg(long)]
    checks: bool,
    /// What to do with budgets, which are measured before and after
    #[arg(long, value_name = "MODE", value_enum)]
    budgets: Option<BudgetMode>,
    #[command(flatten)]
    backup: RunBackup,
    /// Pass closed gates of the environment: windows, freeze periods, `requires`; the reason is recorded
    #[arg(long = "override", value_name = "REASON", value_parser = reason_argument)]
    override_reason: Option<String>,
    /// The release that the migrations belong to, for the records of the run
    #[arg(long, value_name = "NAME", env = "REFIT_RELEASE")]
    release: Option<String>,
    /// Print the plan and its SQL, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Use an empty private database that is removed afterwards, even if a database is named
    #[arg(long)]
    private: bool,
}

/// How backfills run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BackfillMode {
    /// This command runs them before it exits
    Inline,
    /// A service runs them in the background once it boots with these migrations
    Background,
    /// Do not start backfills; run `backfill run` later
    Hold,
}

/// What a run does with budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BudgetMode {
    /// Report them, and warn of what is over its budget
    Measure,
    /// Fail if something is over its budget; the migrations stay applied
    Enforce,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set_with_values()?;
    let migrator = args.packages.apply(context.migrator(set.clone()));
    let mut migrator = args.target.apply(&set, migrator)?;
    for version in &args.include {
        migrator = migrator.include(*version);
    }
    migrator = match args.budgets {
        None => migrator,
        Some(BudgetMode::Measure) => migrator.budgets(Budgets::Measure),
        Some(BudgetMode::Enforce) => migrator.budgets(Budgets::Enforce),
    };
    if args.checks {
        migrator = migrator.checks(true);
    }
    if let Some(reason) = &args.override_reason {
        migrator = migrator.override_gates(reason);
    }
    if let Some(release) = &args.release {
        migrator = migrator.release(release);
    }
    let database = if args.private {
        Database::private(context).await?
    } else {
        Database::named_or_private(context).await?
    };
    migrator = database.protected(migrator);
    if args.dry_run {
        let connection = database.connect().await?;
        let plan = migrator.plan(&connection).await?;
        connection.close().await;
        return dry_run(&plan, &set, context);
    }
    if !args.private {
        migrator = args.backup.attach(migrator, &set, &database, context)?;
    }
    let (migrator, _warnings) = with_hooks(migrator)?;
    // Backfills run afterwards, with progress.
    let registering = migrator.clone().backfills(Backfills::Hold);
    let registering = progress::with_progress(registering, context.out);
    let mut report =
        interruptible(&context.interrupt, context.out, registering.run(database.url())).await??;
    let worked = match set.has_backfills() && args.backfills == BackfillMode::Inline {
        true => Some(work(&migrator, database.url(), context).await?),
        false => None,
    };
    report.steps.extend(worked.iter().flat_map(|worked| worked.applied.iter().cloned()));
    if worked.as_ref().is_none_or(|worked| worked.failures.is_empty() && !worked.interrupted) {
        let ran = report.steps.iter().map(|step| step.stem.as_str()).collect();
        promotions::record(&set, &ran, &database, context).await?;
    }
    if let Some(worked) = worked {
        return report_backfills(report, worked, &database.address(), context);
    }
    let mut text = summary(&report, &report.held, &database.address());
    if set.has_backfills() {
        let connection = database.connect().await?;
        let state = migrator.state(&connection).await?;
        let backfills = JobStatus::all(&connection, &state).await?;
        connection.close().await;
        text.push(still_unfinished(&backfills, args.backfills));
    }
    context.out.result(&report, text)?;
    // With `hold`, a step that failed while others are held is not tried again.
    let failed = report.held.iter().any(|held| matches!(held.gate, Gate::Failed { .. }));
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The JSON document after backfills have run.
#[derive(Serialize)]
struct MigrateReport<'a> {
    #[serde(flatten)]
    report: &'a Report,
    failures: &'a [Failure],
    interrupted: bool,
}

fn report_backfills(
    mut report: Report,
    worked: Worked,
    address: &str,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let nothing = worked.backfills.is_empty() && worked.failures.is_empty() && !worked.interrupted;
    report.version =
        worked.applied.iter().filter_map(|step| version_of(&step.stem)).max().max(report.version);
    report.backfills = worked.backfills.iter().map(|seen| seen.status.clone()).collect();
    report.duration += Duration::from_secs_f64(worked.seconds);
    if !worked.interrupted {
        report.held.clone_from(&worked.held);
    }
    let text = match nothing {
        true => summary(&report, &report.held, address),
        false => text![worked.text(), "\n", summary(&report, &[], address)],
    };
    let Worked { failures, interrupted, .. } = &worked;
    context.out.result(&MigrateReport { report: &report, failures, interrupted: *interrupted }, text)?;
    Ok(if worked.failures.is_empty() && !interrupted { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The unfinished backfills, and how to finish them.
fn still_unfinished(backfills: &[JobStatus], mode: BackfillMode) -> Text {
    let mut lines = unfinished(backfills);
    if lines.is_empty() {
        return Text::default();
    }
    let who = match mode {
        BackfillMode::Background => {
            "to finish them, start a service with these migrations, or run `cargo xtask backfill run`"
        }
        _ => {
            "to finish them, run `cargo xtask backfill run`, or start a service that does not hold backfills"
        }
    };
    lines.push(who.into());
    text!["\n", Text::lines(lines)]
}

/// The outcome of the run; the steps have already been shown.
fn summary(report: &Report, held: &[HeldStep], address: &str) -> Text {
    // The notices of steps have been shown too.
    let notices: Vec<&str> =
        report.steps.iter().flat_map(|step| &step.notices).map(|notice| notice.message.as_str()).collect();
    let warnings = report.warnings.iter().filter(|warning| !notices.contains(&warning.as_str()));
    let mut lines: Vec<String> = warnings.map(|warning| format!("warning: {warning}")).collect();
    lines.extend(report.overridden.iter().map(|overridden| format!("gates passed: {overridden}")));
    lines.extend(held.iter().map(|step| format!("  held    {}  ({})", step.stem, step.gate)));
    lines.push(format!("{} ({address})", report.summary()));
    let budgets = render::budgets::lines(&report.budgets);
    Text::lines(budgets.into_iter().chain(lines.into_iter().map(Text::from)))
}

fn dry_run(plan: &Plan, set: &MigrationSet, context: &Context) -> anyhow::Result<ExitCode> {
    let sql = |step: &refit::PlannedStep| match step.kind {
        StepKind::Versioned | StepKind::Repeatable => {
            set.step(step.version, &step.stem).map(|step| step.file().sql.as_ref())
        }
        StepKind::Checkpoint => set.checkpoint().map(|checkpoint| checkpoint.sql.as_ref()),
        _ => None,
    };
    let statements: Vec<FileSql<'_>> = plan
        .pending
        .iter()
        .filter_map(|step| sql(step).map(|sql| FileSql { path: &step.path, sql }))
        .collect();
    let dry_run = DryRun { plan, statements };
    context.out.result(&dry_run, dry_run.text(render::plan::plan(plan)))?;
    Ok(if plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

//! `cargo xtask rollback`

use std::process::ExitCode;
use std::time::Instant;

use refit::backfill::JobKind;
use refit::{Error, Rollback, RollbackPlan};
use refit_model::wording::counted;
use refit_model::{MigrationSet, Version};

use crate::backfills::{Failure, ObservedJob, with_progress};
use crate::backups::RunBackup;
use crate::context::{Context, reason_argument, version_argument};
use crate::database::Database;
use crate::from_backup::{Place, from_backup};
use crate::hooks::with_hooks;
use crate::render;
use crate::render::dry_run::{DryRun, FileSql};
use crate::render::rollback::RollbackResult;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Runs the .down.sql of each migration. Before the down file of a backfill with `undo = [\"…\"]`, restores the \
                  overwritten values in batches; before that of one with `undo = { inserted = \"…\" }`, deletes the rows that it inserted. Rows \
                  that were changed later are left and listed. The whole rollback is \
                  checked before the first step. Run the command again to resume a rollback that was stopped.\n\n\
                  Everything that the migrations added is lost, including data. First deploy the release for the older schema: a \
                  service of the newer release applies the migrations again when it boots.\n\n\
                  Exit status: 0 undone or nothing to undo; 1 stopped, or rows could not be restored; 2 rollback impossible, refused by \
                  the environment, not confirmed, or could not run.\n\n\
                  Examples:\n  cargo xtask rollback\n  cargo xtask rollback --to V0012 --dry-run\n  cargo xtask rollback --to V0012 --sql > script.sql\n  cargo xtask rollback --to V0012\n  \
                  cargo xtask rollback --to V0012 --yes --format json | jq '.backfills[] | {name, rows_changed, changed_since}'\n  \
                  cargo xtask rollback --to 0 --leave-rows V0015\n  cargo xtask rollback --to V0012 --from-backup 20261129T010203Z-4f2a9c"
)]
pub struct Args {
    /// The version to roll back to, which stays applied; 0 undoes all [default: undo the last migration only]
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Option<Version>,
    /// Do not restore the rows of this backfill
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    leave_rows: Vec<Version>,
    /// Undo migrations that have neither a journal nor a down file by restoring the rows of their tables from this backup
    #[arg(long, value_name = "ID", conflicts_with = "sql")]
    from_backup: Option<String>,
    /// Pass closed windows and freeze periods of the environment; the reason is recorded
    #[arg(long = "override", value_name = "REASON", value_parser = reason_argument)]
    override_reason: Option<String>,
    #[command(flatten)]
    backup: RunBackup,
    /// Print the rollback plan and its SQL, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a script that does it by hand, in psql, and change nothing; it contains the down files unredacted
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    sql: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set_with_values()?;
    let mut migrator = context.migrator(set.clone());
    if let Some(reason) = &args.override_reason {
        migrator = migrator.override_gates(reason);
    }
    let database = Database::named(context)?;
    let mut migrator = args.backup.attach(database.protected(migrator), &set, &database, context)?;
    let connection = database.connect().await?;
    if !args.dry_run && !args.sql && set.has_backfills() {
        migrator.upgrade_state(&connection).await?;
    }
    let leave_rows = args.leave_rows.clone();
    let mut rollback = match args.to {
        Some(to) => Rollback { to, leave_rows, ..Rollback::default() },
        None => Rollback { leave_rows, ..migrator.last_rollback(&connection).await? },
    };
    if args.sql {
        let script = migrator.rollback_sql(&connection, &rollback).await;
        connection.close().await;
        context.out.script(&script?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut plan = migrator.plan_rollback(&connection, &rollback).await?;
    if let Some(id) = &args.from_backup {
        let place = Place { set: &set, database: &database, connection: &connection, context };
        (migrator, rollback) = from_backup(id, &args.backup, (migrator, rollback), &plan, &place).await?;
        plan = migrator.plan_rollback(&connection, &rollback).await?;
    }
    connection.close().await;
    if args.dry_run {
        return dry_run(&plan, &set, context);
    }
    if !plan.refusals.is_empty() {
        return Err(Error::RollbackRefused(plan.refusals).into());
    }
    if !plan.gates.is_empty() && args.override_reason.is_none() {
        return Err(Error::Gated { environment: plan.environment, gates: plan.gates }.into());
    }
    if !plan.steps.is_empty() {
        if context.out.human() {
            context.out.print(render::plan::rollback_plan(&plan))?;
        }
        context.out.confirm(&question(&plan, &database.address()), args.yes)?;
    }
    let (migrator, _warnings) = with_hooks(migrator)?;
    let began = Instant::now();
    let roll_back = async |migrator: &refit::Migrator| migrator.rollback(database.url(), &rollback).await;
    // Show only undo jobs, including those of an earlier rollback that was stopped.
    let ignore = |job: &ObservedJob| job.status.kind != JobKind::Undo || job.is_complete();
    let observed = with_progress(&migrator, database.url(), context, ignore, roll_back).await?;
    let mut result = RollbackResult {
        run: None,
        environment: plan.environment.clone(),
        to: plan.to,
        version: None,
        steps: observed.steps,
        backfills: observed.jobs,
        repeatables: Vec::new(),
        overridden: None,
        failure: None,
        interrupted: false,
        seconds: began.elapsed().as_secs_f64(),
    };
    match observed.outcome {
        Some(Ok(report)) => result.take(report),
        Some(Err(Error::Backfill { version, stem, reason })) => {
            result.failure = Some(Failure { version, name: stem, reason });
        }
        Some(Err(error)) => return Err(error.into()),
        None => result.interrupted = true,
    }
    context.out.result(&result, result.text(&database.address()))?;
    Ok(if result.failure.is_none() && !result.interrupted { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn question(plan: &RollbackPlan, address: &str) -> String {
    let to = if plan.to == 0 { "before the first one".to_owned() } else { format!("version {}", plan.to) };
    format!(
        "Undo {} of {address} (environment {}), back to {to}? Everything that they added is lost, including data.",
        counted(plan.steps.len(), "migration"),
        plan.environment
    )
}

fn dry_run(plan: &RollbackPlan, set: &MigrationSet, context: &Context) -> anyhow::Result<ExitCode> {
    let downs = plan.steps.iter().filter(|step| step.path.is_some());
    let downs = downs.filter_map(|step| set.migration(step.version)?.down.as_ref());
    let statements: Vec<FileSql<'_>> =
        downs.map(|down| FileSql { path: &down.path, sql: down.text.as_ref() }).collect();
    let dry_run = DryRun { plan, statements };
    context.out.result(&dry_run, dry_run.text(render::plan::rollback_plan(plan)))?;
    Ok(if plan.refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

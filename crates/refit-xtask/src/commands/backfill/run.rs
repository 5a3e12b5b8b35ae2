//! `cargo xtask backfill run`

use std::process::ExitCode;

use refit::Migrator;
use refit::backfill::Preview;
use refit_model::Version;

use crate::backfills::{preview, work};
use crate::backups::RunBackup;
use crate::context::{Context, version_argument};
use crate::database::{Database, refuse_pooler};
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Any number of these commands and of services can work at the same time, on any machine. Ctrl-C stops the command; \
                  committed batches are kept, and the next run resumes there. A row that fails is set aside; `retry` retries it. Outside \
                  the windows of the environment, the command waits; --override REASON ignores them.\n\n\
                  --dry-run runs batches in transactions that are rolled back, and estimates the total time, WAL and table growth, \
                  also for migrations that are not applied yet. While a batch runs, its rows are locked; it leaves dead rows.\n\n\
                  Exit status: 0 all complete; 1 a backfill failed, was stopped or is pending (with --dry-run: a backfill \
                  cannot run); 2 could not run.\n\n\
                  Examples:\n  cargo xtask backfill run --dry-run\n  cargo xtask backfill run --dry-run --sample 20 V0004\n  \
                  cargo xtask backfill run\n  cargo xtask backfill run --override INC-4711\n  cargo xtask backfill run --format json | jq '.backfills[] | {name, rows_changed, seconds}'"
)]
pub(super) struct Args {
    /// With --dry-run, the version of one backfill [default: all that are unfinished or pending]
    #[arg(value_name = "VERSION", value_parser = version_argument, requires = "dry_run")]
    version: Option<Version>,
    /// Run some batches, roll them back, and estimate the whole backfill
    #[arg(long)]
    dry_run: bool,
    /// Number of batches per backfill
    #[arg(long, value_name = "N", default_value_t = 5, requires = "dry_run", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sample: u32,
    /// Ignore the windows of the environment; the reason is recorded
    #[arg(long = "override", value_name = "REASON", conflicts_with = "dry_run")]
    override_reason: Option<String>,
    #[command(flatten)]
    backup: RunBackup,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let database = Database::named(context)?;
    let set = context.set_with_values()?;
    let migrator = database.protected(context.migrator(set.clone()));
    if args.dry_run {
        return dry_run(args, &migrator, &database, context).await;
    }
    let mut migrator = args.backup.attach(migrator, &set, &database, context)?;
    if let Some(reason) = &args.override_reason {
        migrator = migrator.override_gates(reason);
    }
    let worked = work(&migrator, database.url(), context).await?;
    context.out.result(&worked, text![database.address(), "\n", worked.text()])?;
    Ok(if worked.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn dry_run(
    args: &Args,
    migrator: &Migrator,
    database: &Database,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let connection = database.connect().await?;
    // A sample prepares statements, which would remain in a pooled session.
    refuse_pooler(&connection, context).await?;
    let previews = preview(migrator, &connection, args.version, args.sample).await?;
    connection.close().await;
    let text = text![database.address(), "\n", render::preview::previews(&previews)];
    context.out.result(&previews, text)?;
    let is_runnable = |preview: &Preview| preview.refused.is_none() && preview.failures.is_empty();
    Ok(if previews.backfills.iter().all(is_runnable) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

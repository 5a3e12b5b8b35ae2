//! `cargo xtask backfill run`

use std::process::ExitCode;

use refit_model::Version;

use super::preview;
use crate::backfills::work;
use crate::context::{Context, version_argument};
use crate::database::Database;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Any number of these, and of services, may work at once, on any machine. Ctrl-C stops it; what is committed stays, and \
                  another run goes on from there. A row that fails is set aside, and `retry` takes it again.\n\n\
                  --dry-run runs batches in transactions that are rolled back, and tells time, WAL and growth of the whole; of \
                  migrations that are not applied yet too. As long as they run, their rows are locked, and they leave dead rows.\n\n\
                  Exit status: 0 all complete, 1 something failed, was stopped or is pending; with --dry-run: 0 all could \
                  run, 1 one could not. 2 could not run.\n\n\
                  Examples:\n  cargo xtask backfill run --dry-run\n  cargo xtask backfill run --dry-run --sample 20 V0004\n  \
                  cargo xtask backfill run\n  cargo xtask backfill run --format json | jq '.backfills[] | {name, rows_changed, seconds}'"
)]
pub(super) struct Args {
    /// With --dry-run, the version of one backfill [default: all that are unfinished or pending]
    #[arg(value_name = "VERSION", value_parser = version_argument, requires = "dry_run")]
    version: Option<Version>,
    /// Run some batches, roll them back, and tell what the whole would take
    #[arg(long)]
    dry_run: bool,
    /// How many batches of each backfill
    #[arg(long, value_name = "N", default_value_t = 5, requires = "dry_run", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sample: u32,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let migrator = context.migrator(context.set()?);
    let database = Database::named(context)?;
    if args.dry_run {
        return preview::run(&migrator, &database, args.version, args.sample, context).await;
    }
    let worked = work(&migrator, database.url(), context).await?;
    context.out.result(&worked, format!("{}\n{}", database.address(), worked.text()))?;
    Ok(if worked.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

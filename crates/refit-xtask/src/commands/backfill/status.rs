//! `cargo xtask backfill status`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use refit::Connection;
use refit_model::Version;

use crate::backfills::{ObservedJob, StatusPoller, not_applied, observe, watch};
use crate::context::{Context, version_argument};
use crate::database::Database;
use crate::render::backfill_status::{StatusDocument, Waiting, status};
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(after_help = "If there is a migrations folder, pending and held steps are shown as well.\n\n\
                  --watch ends when all backfills are complete or none can continue. On a terminal it redraws every second; elsewhere \
                  it prints a line when the state changes and every few seconds; with --format json, one document per line.\n\n\
                  Exit status: 0 all complete; 1 a backfill is unfinished, failed or pending; 2 could not run.\n\n\
                  Examples:\n  cargo xtask backfill status\n  cargo xtask backfill status V0004 --watch\n  \
                  cargo xtask backfill status --format json | jq '.backfills[] | {name, state, progress, throttle}'")]
pub(super) struct Args {
    /// The version of its migration [default: all]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
    /// Keep showing the status until all are complete
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let (waiting, retention) = waiting(args, context, &connection).await?.unzip();
    let migrator = context.operator()?;
    let mut all = observe(&connection, &migrator, retention).await?;
    connection.close().await;
    all.retain(|seen| args.version.is_none_or(|version| seen.status.version == version));
    let pending = waiting.as_ref().map(|waiting| waiting.pending.as_slice());
    if let (Some(version), true, true) =
        (args.version, all.is_empty(), pending.unwrap_or_default().is_empty())
    {
        bail!("version {version} has no backfill in this database");
    }
    if args.watch {
        let poller = StatusPoller::new(database.url(), migrator, retention);
        let all = watch(args.version, all, poller, context).await?;
        let ok = all.iter().all(ObservedJob::is_complete) && pending.unwrap_or_default().is_empty();
        return Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let text = text![database.address(), "\n", status(&all, waiting.as_ref())];
    let held = waiting.as_ref().map(|waiting| waiting.held.as_slice());
    context.out.result(&StatusDocument { backfills: &all, pending, held }, text)?;
    let ok = all.iter().all(ObservedJob::is_complete) && pending.unwrap_or_default().is_empty();
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The waiting steps, and how long journals are kept. None if no folder is named and the default one does not exist.
async fn waiting(
    args: &Args,
    context: &Context,
    connection: &Connection,
) -> anyhow::Result<Option<(Waiting, Duration)>> {
    if context.global.migrations.is_none() && !context.migrations_dir().exists() {
        return Ok(None);
    }
    let set = context.set()?;
    let plan = context.migrator(set.clone()).plan(connection).await?;
    let mut pending = not_applied(&plan, &set);
    pending.retain(|named| args.version.is_none_or(|version| named.version == version));
    Ok(Some((Waiting { pending, held: plan.held }, set.settings().undo_retention)))
}

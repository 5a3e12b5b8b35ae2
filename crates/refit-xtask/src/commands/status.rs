//! `cargo xtask status`

use std::process::ExitCode;

use refit::backfill::JobState;

use crate::context::Context;
use crate::database::Database;
use crate::render;
use crate::selection::{Filter, Packages};
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 up to date; 1 something is pending or refused, or a backfill is unfinished; 2 could not run.\n\n\
                        Examples:\n  cargo xtask status --database-url postgres://localhost/app\n  \
                        cargo xtask status --format json | jq .holder\n  cargo xtask status --release 2.0"
)]
pub struct Args {
    #[command(flatten)]
    packages: Packages,
    #[command(flatten)]
    filter: Filter,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    args.filter.check(&set)?;
    let migrator = args.packages.apply(context.migrator(set.clone()));
    let database = Database::named(context)?;
    let migrator = database.protected(migrator);
    let connection = database.connect().await?;
    let mut status = migrator.status(&connection).await?;
    connection.close().await;
    args.filter.retain(&set, &mut status.plan);
    status.applied.retain(|row| args.filter.shows(&set, Some(row.version), &row.name));
    status.backfills.retain(|job| args.filter.shows(&set, Some(job.version), &job.name));
    let text = text![database.address(), "\n", render::status::status(&status, &set)];
    context.out.result(&status, text)?;
    let complete = status.backfills.iter().all(|backfill| backfill.state == JobState::Complete);
    Ok(if complete && status.plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

//! `cargo xtask status`

use std::process::ExitCode;

use refit::backfill::JobState;

use crate::context::Context;
use crate::database::Database;
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 up to date; 1 something is pending or refused, or a backfill is unfinished; 2 could not run.\n\n\
                        Examples:\n  cargo xtask status --database-url postgres://localhost/app\n  \
                        cargo xtask status --format json | jq .holder"
)]
pub struct Args {}

pub(crate) async fn run(_: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let database = Database::named(context)?;
    let migrator = database.protected(context.migrator(set.clone()));
    let connection = database.connect().await?;
    let status = migrator.status(&connection).await?;
    connection.close().await;
    let text = text![database.address(), "\n", render::status::status(&status, &set)];
    context.out.result(&status, text)?;
    let complete = status.backfills.iter().all(|backfill| backfill.state == JobState::Complete);
    Ok(if complete && status.plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

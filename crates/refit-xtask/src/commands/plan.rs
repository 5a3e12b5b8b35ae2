//! `cargo xtask plan`

use std::process::ExitCode;

use refit::backfill::JobStatus;

use crate::context::{Context, version_argument};
use crate::database::Database;
use crate::render;
use crate::render::backfill::unfinished;
use crate::styled::Text;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 up to date; 1 something is pending or refused; 2 could not run.\n\n\
                        Examples:\n  cargo xtask plan --database-url postgres://localhost/app\n  \
                        cargo xtask plan --to V0012 --format json")]
pub struct Args {
    /// Plan no version above this one
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Option<i64>,
    /// Open the gate of a manual migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    include: Vec<i64>,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut migrator = context.migrator(context.set()?);
    if let Some(to) = args.to {
        migrator = migrator.to(to);
    }
    for version in &args.include {
        migrator = migrator.include(*version);
    }
    let database = Database::named_or_private(context).await?;
    let connection = database.connect().await?;
    let migrator = database.protected(migrator);
    let plan = migrator.plan(&connection).await?;
    // The JSON is only the plan; `backfill status` has the rest.
    let backfills = match context.out.human() {
        true => JobStatus::all(&connection, &migrator.state(&connection).await?).await?,
        false => Vec::new(),
    };
    connection.close().await;
    let lines = std::iter::once(render::plan::plan(&plan)).chain(unfinished(&backfills));
    context.out.result(&plan, Text::lines(lines))?;
    Ok(if plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

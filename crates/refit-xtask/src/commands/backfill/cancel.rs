//! `cargo xtask backfill cancel`

use std::process::ExitCode;

use refit::backfill::Request;
use refit_model::Version;

use super::figures::count;
use super::which::{one, which};
use crate::context::{Context, version_argument};
use crate::database::Database;
use crate::output::BAD;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is done stays done, and what waits for the backfill goes on waiting; `resume` takes it up again.\n\n\
                  Examples:\n  cargo xtask backfill cancel\n  cargo xtask backfill cancel V0004 --yes"
)]
pub(super) struct Args {
    /// The version of its migration [default: the only unfinished one]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let connection = Database::named(context)?.connect().await?;
    let version = which(&connection, args.version).await?;
    let before = one(&connection, version).await?;
    if before.state != "complete" && before.state != "canceled" {
        let question = format!(
            "Cancel the backfill {} at {:.1} %, {} rows changed? What waits for it goes on waiting.",
            before.name,
            before.progress * 100.0,
            count(before.rows_changed)
        );
        context.out.confirm(&question, args.yes)?;
    }
    refit::backfill::request(&connection, version, Request::Cancel).await?;
    let status = one(&connection, version).await?;
    connection.close().await;
    let text = format!(
        "{BAD}canceled{BAD:#}  {} at {:.1} %; `cargo xtask backfill resume {version}` takes it up again",
        status.name,
        status.progress * 100.0
    );
    context.out.result(&status, text)?;
    Ok(ExitCode::SUCCESS)
}

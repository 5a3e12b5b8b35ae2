//! `cargo xtask backfill cancel`

use std::process::ExitCode;

use refit::backfill::{JobState, Request};
use refit_model::Version;
use refit_model::wording::grouped;

use crate::backfills::SelectedBackfill;
use crate::context::{Context, version_argument};
use crate::output::BAD;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Committed batches are kept, and steps that wait for the backfill keep waiting; `resume` continues it.\n\n\
                  Examples:\n  cargo xtask backfill cancel\n  cargo xtask backfill cancel V0004 --yes"
)]
pub(super) struct Args {
    /// The version of its migration [default: the only unfinished one]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let backfill = SelectedBackfill::of(args.version, context).await?;
    let before = backfill.status().await?;
    if before.state != JobState::Complete && before.state != JobState::Canceled {
        let question = format!(
            "Cancel the backfill {} at {:.1} %, {} rows {}? Steps that wait for it keep waiting.",
            before.name,
            before.progress * 100.0,
            grouped(before.rows_changed),
            before.done()
        );
        context.out.confirm(&question, args.yes)?;
    }
    let status = backfill.request(Request::Cancel).await?;
    let (name, version, percent) = (&status.name, status.version, status.progress * 100.0);
    let resume = format!("  {name} at {percent:.1} %; `cargo xtask backfill resume {version}` continues it");
    let text = text![BAD.of("canceled"), resume];
    context.out.result(&status, text)?;
    Ok(ExitCode::SUCCESS)
}

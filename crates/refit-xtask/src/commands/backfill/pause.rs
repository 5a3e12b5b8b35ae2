//! `cargo xtask backfill pause`

use std::process::ExitCode;

use refit::backfill::Request;
use refit_model::Version;

use crate::backfills::SelectedBackfill;
use crate::context::{Context, version_argument};
use crate::output::WARN;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "All workers stop within a second, each after its current batch. Steps that wait for the backfill keep \
                  waiting, and so do the processes that work on it.\n\n\
                  Examples:\n  cargo xtask backfill pause\n  cargo xtask backfill pause V0004 --database-url postgres://db.example.com/app"
)]
pub(super) struct Args {
    /// The version of its migration [default: the only unfinished one]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let status = SelectedBackfill::of(args.version, context).await?.request(Request::Pause).await?;
    let (name, version) = (&status.name, status.version);
    let resume = format!("  {name}; continue with `cargo xtask backfill resume {version}`");
    let text = text![WARN.of("paused"), resume];
    context.out.result(&status, text)?;
    Ok(ExitCode::SUCCESS)
}

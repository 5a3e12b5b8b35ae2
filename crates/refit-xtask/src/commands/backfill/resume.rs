//! `cargo xtask backfill resume`

use std::process::ExitCode;

use refit::backfill::Request;
use refit_model::Version;

use super::which::SelectedBackfill;
use crate::backfills::resume_hint;
use crate::context::{Context, version_argument};
use crate::output::GOOD;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The backfill resumes where it stopped; no row is changed twice. Rows that failed stay set aside; `retry` retries them.\n\n\
                  Examples:\n  cargo xtask backfill resume\n  cargo xtask backfill resume V0004"
)]
pub(super) struct Args {
    /// The version of its migration [default: the only unfinished one]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let status = SelectedBackfill::of(args.version, context).await?.request(Request::Resume).await?;
    context
        .out
        .result(&status, format!("{GOOD}resumed{GOOD:#}  {}; {}", status.name, resume_hint(&status)))?;
    Ok(ExitCode::SUCCESS)
}

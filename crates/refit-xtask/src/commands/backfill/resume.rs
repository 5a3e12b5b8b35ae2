//! `cargo xtask backfill resume`

use std::process::ExitCode;

use refit::backfill::Request;
use refit_model::Version;

use super::which::SelectedBackfill;
use crate::backfills::who_goes_on;
use crate::context::{Context, version_argument};
use crate::output::GOOD;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It resumes where it stopped: no row is changed twice. Rows that failed stay set aside; `retry` takes them \
                  again.\n\nExamples:\n  cargo xtask backfill resume\n  cargo xtask backfill resume V0004"
)]
pub(super) struct Args {
    /// The version of its migration [default: the only unfinished one]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let status = SelectedBackfill::of(args.version, context).await?.ask(Request::Resume).await?;
    context
        .out
        .result(&status, format!("{GOOD}resumed{GOOD:#}  {}; {}", status.name, who_goes_on(&status)))?;
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask backfill resume`

use std::process::ExitCode;

use refit::backfill::Request;
use refit_model::Version;

use crate::backfills::SelectedBackfill;
use crate::context::{Context, version_argument};
use crate::output::GOOD;
use crate::render::backfill::resume_hint;
use crate::styled::text;

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
    let hint = format!("  {}; {}", status.name, resume_hint(&status));
    context.out.result(&status, text![GOOD.of("resumed"), hint])?;
    Ok(ExitCode::SUCCESS)
}

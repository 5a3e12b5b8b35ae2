//! `cargo xtask backfill retry`

use std::process::ExitCode;

use refit::backfill::Request;
use refit_model::Version;
use refit_model::wording::grouped;

use crate::backfills::SelectedBackfill;
use crate::context::{Context, version_argument};
use crate::output::GOOD;
use crate::render::backfill::resume_hint;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "First fix the rows that `backfill status` lists. Rows that fail again are set aside again.\n\n\
                  Examples:\n  cargo xtask backfill retry && cargo xtask backfill run\n  cargo xtask backfill retry V0004"
)]
pub(super) struct Args {
    /// The version of its migration [default: the only unfinished one]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let backfill = SelectedBackfill::of(args.version, context).await?;
    let before = backfill.status().await?;
    let status = backfill.request(Request::Retry).await?;
    let rows = match before.errors {
        0 => "no rows were set aside".to_owned(),
        1 => "1 row will be retried".to_owned(),
        several => format!("{} rows will be retried", grouped(several)),
    };
    let hint = format!("  {}: {rows}; {}", status.name, resume_hint(&status));
    context.out.result(&status, text![GOOD.of("retried"), hint])?;
    Ok(ExitCode::SUCCESS)
}

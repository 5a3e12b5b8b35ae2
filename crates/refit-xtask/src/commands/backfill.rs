//! `cargo xtask backfill run|status|pause|resume|retry|cancel`

mod cancel;
mod pause;
mod resume;
mod retry;
mod run;
mod status;

use std::process::ExitCode;

use crate::context::Context;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Applying a backfill's migration registers a job in the database. Any number of processes can work on it, and these \
                  commands can control it from any machine. VERSION is optional if only one backfill is unfinished.\n\n\
                  Exit status: 0 success; 1 a backfill failed, is incomplete or pending; 2 could not run.\n\n\
                  Examples:\n  cargo xtask backfill run --dry-run\n  cargo xtask backfill run\n  \
                  cargo xtask backfill status --watch\n  cargo xtask backfill pause V0004\n  cargo xtask backfill resume\n  \
                  cargo xtask backfill retry\n  cargo xtask backfill status --format json | jq '.backfills[].progress'"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Run all backfills until they are complete, and apply the steps that wait for them
    Run(run::Args),
    /// Show progress, rate, throttling, workers and failed rows
    Status(status::Args),
    /// Stop after the current batches, until resumed
    Pause(pause::Args),
    /// Continue after a pause, a cancellation or a failure
    Resume(resume::Args),
    /// Retry the failed rows, and continue
    Retry(retry::Args),
    /// Stop permanently; steps that wait for it keep waiting
    Cancel(cancel::Args),
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Run(args) => Box::pin(run::run(args, context)).await,
        Action::Status(args) => Box::pin(status::run(args, context)).await,
        Action::Pause(args) => Box::pin(pause::run(args, context)).await,
        Action::Resume(args) => Box::pin(resume::run(args, context)).await,
        Action::Retry(args) => Box::pin(retry::run(args, context)).await,
        Action::Cancel(args) => Box::pin(cancel::run(args, context)).await,
    }
}

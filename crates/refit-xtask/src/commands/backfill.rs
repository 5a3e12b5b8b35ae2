//! `cargo xtask backfill run|status|pause|resume|retry|cancel`

mod cancel;
mod pause;
mod preview;
mod resume;
mod retry;
mod run;
mod status;
mod which;

use std::process::ExitCode;

use crate::context::Context;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Applying a backfill's migration registers a job in the database. Any number of processes work on it, and each of \
                  these commands works on it from any machine. VERSION may be left out where only one is unfinished.\n\n\
                  Exit status: 0 fine, 1 something failed, is incomplete or pending, 2 could not run.\n\n\
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
    /// Work on all backfills until they are complete, and apply what waits for them
    Run(run::Args),
    /// Show how far they are, how fast, what slows them down, who works on them, and which rows failed
    Status(status::Args),
    /// Stop after the batches at hand, until it is resumed
    Pause(pause::Args),
    /// Go on after a pause, a cancellation or a failure
    Resume(resume::Args),
    /// Take the rows again that failed, and go on
    Retry(retry::Args),
    /// Stop for good, as far as it has come; what waits for it goes on waiting
    Cancel(cancel::Args),
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Run(args) => run::run(args, context).await,
        Action::Status(args) => status::run(args, context).await,
        Action::Pause(args) => pause::run(args, context).await,
        Action::Resume(args) => resume::run(args, context).await,
        Action::Retry(args) => retry::run(args, context).await,
        Action::Cancel(args) => cancel::run(args, context).await,
    }
}

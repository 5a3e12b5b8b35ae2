//! `cargo xtask bench …`: every figure that the README quotes, measured on the spot.
//!
//! A bench states what it compares and how, runs the peers beside Refit in the same process, build and server, and fails
//! when a target is missed. It measures; it never changes what it measures to look better.

mod backfill;
mod boot;
mod boot_one;
mod carried;
mod fix;
mod lab;
mod lint;
mod proxy;
mod release;
mod rows;
mod sample;
mod snapshot;
mod table;
mod timing;

use std::process::ExitCode;

use refit_xtask::Context;

/// Measure what the README claims.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Bench {
    Backfill(backfill::Args),
    Boot(boot::Args),
    Fix(fix::Args),
    Lint(lint::Args),
    Snapshot(snapshot::Args),
    #[command(hide = true)]
    BootOne(boot_one::Args),
}

/// Runs a bench and prints its table, for people or as JSON.
///
/// # Errors
/// When something could not be measured at all; a target that is missed is exit status 1.
pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let human = context.out.human();
    match &args.bench {
        Bench::Backfill(args) => backfill::run(args, human).await,
        Bench::Boot(args) => boot::run(args, human).await,
        Bench::Fix(args) => fix::run(args, human),
        Bench::Lint(args) => lint::run(args, human, &context.workspace),
        Bench::Snapshot(args) => snapshot::run(args, human, &context.workspace).await,
        Bench::BootOne(args) => boot_one::run(args).await,
    }
}

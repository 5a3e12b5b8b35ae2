//! `cargo xtask bench …`: measures every figure that the README quotes.
//!
//! A benchmark states what it compares and how, runs the peers and Refit in the same process, build and server, and fails if a target
//! is missed.
//!
//! The other tools are large dependencies, so this is a separate program, which only `cargo xtask bench` builds.

mod backfill;
mod boot;
mod boot_one;
mod build;
mod carried;
mod checks;
mod draft;
mod fix;
mod lab;
mod lint;
mod output;
mod proxy;
mod release;
mod rows;
mod sample;
mod scenario;
mod snapshot;
mod table;
mod timing;

use std::process::ExitCode;

use refit_xtask::{Application, Context, Global};

/// Measure the figures that the README quotes.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, clap::Subcommand)]
enum Bench {
    Backfill(backfill::Args),
    Boot(boot::Args),
    Build(build::Args),
    Checks(checks::Args),
    Draft(draft::Args),
    Fix(fix::Args),
    Lint(lint::Args),
    Scenario(scenario::Args),
    Snapshot(snapshot::Args),
    #[command(hide = true)]
    BootOne(boot_one::Args),
    #[command(hide = true)]
    ScenarioWorker(refit_scenarios::Worker),
    /// Run a command of Refit, for benchmarks that measure whole processes.
    #[command(hide = true, subcommand)]
    Refit(Box<refit_xtask::Command>),
}

/// The first argument of a process that runs a command of Refit.
const REFIT: &str = "refit";

impl Application for Cli {
    fn global(&self) -> &Global {
        &self.global
    }

    fn needs_runtime(&self) -> bool {
        match &self.bench {
            Bench::Refit(command) => command.needs_runtime(),
            _ => true,
        }
    }

    /// Runs a benchmark and prints its table, as text or as JSON. Exit status 1 if a target is missed.
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let human = context.out.human();
        match self.bench {
            Bench::Backfill(args) => backfill::run(&args, human).await,
            Bench::Boot(args) => boot::run(&args, human).await,
            Bench::Build(args) => build::run(&args, human, &context.workspace),
            Bench::Checks(args) => checks::run(&args, human).await,
            Bench::Draft(args) => draft::run(&args, human).await,
            Bench::Fix(args) => fix::run(&args, human),
            Bench::Lint(args) => lint::run(&args, human, &context.workspace),
            Bench::Scenario(args) => scenario::run(&args, human).await,
            Bench::ScenarioWorker(worker) => scenario::work(worker).await,
            Bench::Snapshot(args) => snapshot::run(&args, human, &context.workspace).await,
            Bench::BootOne(args) => boot_one::run(&args).await,
            Bench::Refit(command) => command.run(context).await,
        }
    }
}

fn main() -> ExitCode {
    refit_xtask::main_of::<Cli>()
}

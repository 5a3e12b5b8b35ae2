//! This workspace's own xtask: every command of refit-xtask, and the tasks that only this workspace has.

mod bench;
mod demo;
mod test;

use std::process::ExitCode;

use refit_xtask::{Application, Context, Global};

/// Refit's commands, and the tasks of this workspace.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    #[command(flatten)]
    Refit(refit_xtask::Command),
    /// Show a service that migrates itself under traffic
    Demo(demo::Args),
    /// Measure what the README claims
    Bench(bench::Args),
    /// Run the tests on a chosen PostgreSQL
    Test(test::Args),
}

impl Application for Cli {
    fn global(&self) -> &Global {
        &self.global
    }

    fn is_plain(&self) -> bool {
        match &self.command {
            Task::Refit(command) => command.is_plain(),
            Task::Bench(_) => true,
            Task::Demo(_) | Task::Test(_) => false,
        }
    }

    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self.command {
            Task::Refit(command) => command.run(context).await,
            Task::Demo(args) => demo::run(&args, context.out.human()).await,
            Task::Bench(args) => bench::run(&args, context),
            Task::Test(args) => test::run(&args, context),
        }
    }
}

fn main() -> ExitCode {
    refit_xtask::main_of::<Cli>()
}

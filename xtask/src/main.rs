//! This workspace's own xtask: every command of refit-xtask, and the tasks that only this workspace has.

mod bench;
mod demo;
mod reference;
mod scenario;
mod test;

#[cfg(test)]
#[path = "../../crates/refit-xtask/tests/support/examples.rs"]
mod examples;

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
    /// Migrate the data of a whole system, with traffic, kills, a backup and rollbacks
    Scenario(scenario::Args),
    #[command(hide = true)]
    ScenarioWorker(refit_scenarios::Worker),
    /// Run the benchmarks behind the figures of the documentation
    Bench(bench::Args),
    /// Run the tests, on any supported PostgreSQL
    Test(test::Args),
    /// Write the reference of commands, directives and settings in docs/reference
    Reference(reference::Args),
}

impl Application for Cli {
    fn global(&self) -> &Global {
        &self.global
    }

    fn needs_runtime(&self) -> bool {
        match &self.command {
            Task::Refit(command) => command.needs_runtime(),
            Task::Bench(_) | Task::Reference(_) => false,
            Task::Demo(_) | Task::Scenario(_) | Task::ScenarioWorker(_) | Task::Test(_) => true,
        }
    }

    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self.command {
            Task::Refit(command) => command.run(context).await,
            Task::Demo(args) => demo::run(&args, context.out.human()).await,
            Task::Scenario(args) => scenario::run(&args, context.out.human()).await,
            Task::ScenarioWorker(worker) => scenario::work(worker).await,
            Task::Bench(args) => bench::run(&args, context),
            Task::Test(args) => test::run(&args, context),
            Task::Reference(args) => reference::run(&args, context),
        }
    }
}

fn main() -> ExitCode {
    refit_xtask::main_of::<Cli>()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{Cli, examples};

    #[test]
    fn every_example_in_a_help_is_valid() {
        assert!(examples::parse_all(Cli::command()) > 50, "examples were not found");
    }
}

//! The command line: parses the arguments, runs the command, and returns the exit status.

use std::future::Future;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{self, Poll, Waker};

use anyhow::{Context as _, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Parser};
use tokio::runtime::Builder;

use crate::commands::Command;
use crate::context::{Context, Global};

/// A command line that runs in a [`Context`]: Refit's, or that of a workspace with additional tasks.
pub trait Application: Parser {
    /// The global options.
    fn global(&self) -> &Global;

    /// Whether the command needs an async runtime. Starting one and its threads takes time.
    fn needs_runtime(&self) -> bool {
        true
    }

    /// Runs the command.
    fn run(self, context: &Context) -> impl Future<Output = anyhow::Result<ExitCode>>;
}

/// Write, check and apply the PostgreSQL migrations of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Application for Cli {
    fn global(&self) -> &Global {
        &self.global
    }

    fn needs_runtime(&self) -> bool {
        self.command.needs_runtime()
    }

    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.command.run(context).await
    }
}

/// Parses the arguments and runs Refit's commands: the `main` function of an xtask.
pub fn main() -> ExitCode {
    main_of::<Cli>()
}

/// Like [`main`], for a command line with additional tasks.
pub fn main_of<A: Application>() -> ExitCode {
    let matches = A::command().get_matches();
    let application = match A::from_arg_matches(&matches) {
        Ok(application) => application,
        Err(error) => error.format(&mut A::command()).exit(),
    };
    let named = names_database(&matches);
    let context = match Context::new(application.global().clone(), A::command(), named) {
        Ok(context) => context,
        Err(error) => {
            crate::output::say(&format!("error: {}", crate::output::error_text(&error)).into());
            return ExitCode::from(2);
        }
    };
    let outcome = match application.needs_runtime() {
        true => in_runtime(application.run(&context)),
        false => without_runtime(application.run(&context)),
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            context.out.error(&error);
            if let Some(refit_backup::Error::Interrupted(_)) = error.downcast_ref() {
                return ExitCode::from(crate::interrupt::STATUS);
            }
            ExitCode::from(match error.downcast_ref() {
                Some(refit::Error::Interrupted { .. }) => crate::interrupt::STATUS,
                // It ran, and another run continues.
                Some(refit::Error::GateClosed { .. }) => 1,
                _ => 2,
            })
        }
    }
}

/// Runs a command that never awaits anything, without starting a runtime, which would slow it down.
fn without_runtime<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match pin!(run).poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => bail!("bug: a command without a runtime awaits something"),
    }
}

fn in_runtime<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let outcome = runtime.block_on(run);
    // The process is about to exit: a thread that still waits for a name server or a terminal must not delay it.
    std::mem::forget(runtime);
    outcome
}

/// Whether the command line names the database, before or after the command.
fn names_database(matches: &ArgMatches) -> bool {
    let here = matches.try_contains_id("database_url").is_ok()
        && matches.value_source("database_url") == Some(ValueSource::CommandLine);
    here || matches.subcommand().is_some_and(|(_, below)| names_database(below))
}

#[cfg(test)]
#[path = "../tests/support/examples.rs"]
mod examples;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{Cli, examples};

    #[test]
    fn every_example_in_a_help_is_valid() {
        assert!(examples::parse_all(Cli::command()) > 50, "examples were not found");
    }
}

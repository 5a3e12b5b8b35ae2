//! From arguments to an exit status.

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

/// A command line that runs in a [`Context`]: Refit's own, or that of a workspace that adds its tasks.
pub trait Application: Parser {
    /// The options that all commands share.
    fn global(&self) -> &Global;

    /// Whether the command waits for nobody: then no runtime is started for it, and no threads.
    fn is_plain(&self) -> bool {
        false
    }

    /// Runs the command.
    fn run(self, context: &Context) -> impl Future<Output = anyhow::Result<ExitCode>>;
}

/// PostgreSQL migrations that live in this workspace.
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

    fn is_plain(&self) -> bool {
        self.command.is_plain()
    }

    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.command.run(context).await
    }
}

/// The whole of an xtask: parses the arguments and runs Refit's commands.
pub fn main() -> ExitCode {
    main_of::<Cli>()
}

/// The same for a command line with tasks of its own beside Refit's.
pub fn main_of<A: Application>() -> ExitCode {
    let matches = A::command().get_matches();
    let application = match A::from_arg_matches(&matches) {
        Ok(application) => application,
        Err(error) => error.format(&mut A::command()).exit(),
    };
    let named = database_named(&matches);
    let context = match Context::new(application.global().clone(), A::command(), named) {
        Ok(context) => context,
        Err(error) => {
            crate::output::say(&format!("error: {}", crate::output::told(&error)));
            return ExitCode::from(2);
        }
    };
    let outcome = match application.is_plain() {
        true => at_once(application.run(&context)),
        false => in_runtime(application.run(&context)),
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            context.out.error(&error);
            let interrupted = matches!(error.downcast_ref(), Some(refit::Error::Interrupted { .. }));
            ExitCode::from(if interrupted { crate::interrupt::STATUS } else { 2 })
        }
    }
}

/// Runs what waits for nobody: no runtime is started, whose code would have to be loaded for nothing.
fn at_once<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match pin!(run).poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => bail!("the command waits for something, though it says that it never does"),
    }
}

fn in_runtime<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let outcome = runtime.block_on(run);
    // The process is about to end: a thread that still waits for a name server or a terminal must not hold that up.
    std::mem::forget(runtime);
    outcome
}

/// Whether the command line itself names the database, before or after the command.
fn database_named(matches: &ArgMatches) -> bool {
    let here = matches.try_contains_id("database_url").is_ok()
        && matches.value_source("database_url") == Some(ValueSource::CommandLine);
    here || matches.subcommand().is_some_and(|(_, below)| database_named(below))
}

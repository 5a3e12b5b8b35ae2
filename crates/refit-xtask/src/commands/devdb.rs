//! `cargo xtask devdb start|stop|status|psql`

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use refit_devdb::{Detached, ServerOptions};
use serde_json::json;

use crate::context::Context;
use crate::database::{DEVDB, running_devdb};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Commands that need a database use a running devdb if no --database-url is given.\n\n\
                        Examples:\n  cargo xtask devdb start\n  cargo xtask migrate\n  cargo xtask devdb psql -- -c '\\dt'\n  \
                        cargo xtask devdb stop"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The name of the server; the other commands use the default one
    #[arg(long, global = true, value_name = "NAME", default_value = DEVDB)]
    name: String,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start a private server that runs until it is stopped
    Start {
        /// Keep committed data through a crash of the machine
        #[arg(long)]
        durable: bool,
    },
    /// Stop the server and remove its files
    Stop,
    /// Show whether the server runs, and its URL
    Status,
    /// Connect to the server with psql
    Psql {
        /// Arguments for psql
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Start { durable } => start(&args.name, *durable, context).await,
        Action::Stop => stop(&args.name, context).await,
        Action::Status => status(&args.name, context),
        Action::Psql { arguments } => psql(&args.name, arguments),
    }
}

async fn start(name: &str, durable: bool, context: &Context) -> anyhow::Result<ExitCode> {
    let options = ServerOptions { durable, ..ServerOptions::from_env() };
    let devdb = tokio::task::spawn_blocking({
        let name = name.to_owned();
        move || Detached::start(&name, options)
    })
    .await??;
    show(&devdb, context)?;
    Ok(ExitCode::SUCCESS)
}

async fn stop(name: &str, context: &Context) -> anyhow::Result<ExitCode> {
    let Some(devdb) = running_devdb(name)? else {
        context.out.result(&json!({ "running": false }), "no devdb is running")?;
        return Ok(ExitCode::SUCCESS);
    };
    tokio::task::spawn_blocking(move || devdb.stop(&ServerOptions::from_env())).await??;
    context.out.result(&json!({ "running": false }), "stopped; its files were removed")?;
    Ok(ExitCode::SUCCESS)
}

fn status(name: &str, context: &Context) -> anyhow::Result<ExitCode> {
    match running_devdb(name)? {
        Some(devdb) => show(&devdb, context)?,
        None => context.out.result(&json!({ "running": false }), "no devdb is running")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(devdb: &Detached, context: &Context) -> anyhow::Result<()> {
    let url = devdb.url("postgres");
    let document = json!({ "running": true, "url": url, "pid": devdb.pid(), "version": devdb.version() });
    let text = format!("PostgreSQL {} is running (pid {})\n{url}", devdb.version(), devdb.pid());
    context.out.result(&document, text)
}

fn psql(name: &str, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some(devdb) = running_devdb(name)? else {
        bail!("no devdb is running; start one with `cargo xtask devdb start`")
    };
    // Replace this process, so that psql owns the terminal. exec returns only on failure.
    let error = Command::new("psql").arg(devdb.url("postgres")).args(arguments).exec();
    Err(error).context("cannot start psql; install the PostgreSQL client (postgresql-client)")
}

//! One process of many that boot at once: it reports that it is ready, waits for the end of its input, boots and exits.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;

use super::carried::{Carried, Session, Tool};
use super::sample;

/// One process of a fleet.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long, value_enum)]
    tool: Tool,
    #[arg(long)]
    url: String,
    /// The number of migrations in the binary.
    #[arg(long)]
    count: i64,
    /// Whether the last one builds an index concurrently.
    #[arg(long)]
    concurrently: bool,
}

/// The line that a process prints when it is ready.
pub(crate) const READY: &str = "ready\n";

/// Boots once. An error of the tool is printed to standard error, as one line.
///
/// # Errors
/// If the boot could not start.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let carried = Carried::new(&sample::counted(args.count, args.concurrently))?;
    std::io::stdout().write_all(READY.as_bytes())?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new()).context("waiting for the start")?;
    match boot(args, &carried).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            anstream::eprintln!("{error:#}");
            Ok(ExitCode::from(1))
        }
    }
}

async fn boot(args: &Args, carried: &Carried) -> anyhow::Result<()> {
    let mut session = Session::open(args.tool, &args.url).await?;
    carried.boot(&mut session).await?;
    session.close().await;
    Ok(())
}

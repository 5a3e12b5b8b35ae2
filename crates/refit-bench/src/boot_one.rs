//! One process of many that boot at once: says that it is ready, waits for the end of its input, boots, exits.

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
    /// How many migrations the binary carries.
    #[arg(long)]
    count: i64,
    /// Whether the last one builds an index concurrently.
    #[arg(long)]
    concurrently: bool,
}

/// What a process says when it may be let go.
pub(crate) const READY: &str = "ready\n";

/// Boots once. What the tool says when it fails goes to standard error, as one line.
///
/// # Errors
/// When it did not come to booting.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let carried = Carried::new(&sample::counted(args.count, args.concurrently))?;
    std::io::stdout().write_all(READY.as_bytes())?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new()).context("waiting to be let go")?;
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

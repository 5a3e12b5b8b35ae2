//! `bench boot`: the cost of a boot, compared with plain refinery and sqlx.

use std::process::ExitCode;

use super::lab::Lab;
use super::output;
use super::release::{Build, Pace};
use super::rows::Group;
use super::table::Table;

/// Measure a boot, compared with plain refinery and sqlx in the same run.
///
/// Starts a private PostgreSQL with default durability settings, measures every figure that the README quotes, and prints them
/// with their targets. Exit status 1 if a target is missed. A debug build runs a release build of itself.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench boot\n  cargo xtask bench boot --quick --rows noop-time,fresh-time"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pace: Pace,
    /// Measure only these rows.
    #[arg(long, value_name = "ROW,…", value_delimiter = ',')]
    rows: Vec<Group>,
    #[command(flatten)]
    build: Build,
}

/// Measures and prints a table, or JSON.
///
/// # Errors
/// If something could not be measured.
pub(crate) async fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let table = tokio::select! {
        table = measure(args, human) => table?,
        // Returning drops the server.
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
    };
    output::finish(human, || table.human(), &table, table.missed())
}

async fn measure(args: &Args, human: bool) -> anyhow::Result<Table> {
    let mut lab = Lab::open(args.pace, human).await?;
    let mut rows = Vec::new();
    for group in Group::all() {
        if args.rows.is_empty() || args.rows.contains(&group) {
            rows.extend(group.measure(&mut lab).await?);
        }
    }
    Ok(Table { format: 1, on: lab.describe(), rows })
}

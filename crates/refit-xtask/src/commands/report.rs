//! `cargo xtask report`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use refit::{Connection, Migrator, RunReport};
use serde::Serialize;

use crate::context::Context;
use crate::database::Database;
use crate::output::{Format, one_of};
use crate::render::report::{FORMATS, difference, report, runs};
use crate::render::sheet::Sheet;
use crate::terminal;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every run that does something leaves records: steps with their files, durations, attempts, lock waits, notices and \
                  errors; backfills; what it held back. Records are kept for `retention` (refit.toml), 30 days by default.\n\n\
                  Durations are in seconds in JSON; docs/report-schema.json is its schema. With --format html, the report is one page \
                  that needs no network.\n\n\
                  Exit status: 0 success; 2 could not run, or there is no such run.\n\n\
                  Examples:\n  cargo xtask report\n  cargo xtask report --list\n  \
                  cargo xtask report 12 --format html --output run-12.html\n  \
                  cargo xtask report 12 --diff 14\n  cargo xtask report --format json | jq '.steps[] | {file, seconds}'"
)]
pub struct Args {
    /// The run, by its number in --list [default: the last one]
    #[arg(value_name = "RUN", value_parser = clap::value_parser!(i64).range(1..))]
    run: Option<i64>,
    /// Compare the run with this one
    #[arg(long, value_name = "RUN2", value_parser = clap::value_parser!(i64).range(1..))]
    diff: Option<i64>,
    /// List runs, the newest first
    #[arg(long, conflicts_with_all = ["run", "diff"])]
    list: bool,
    /// How many runs --list shows
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// Write the report to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    // The global option with more formats. It has the same name and type, so it may also precede the command.
    /// The format of the report
    #[arg(long, value_name = "FORMAT", default_value = "human", value_parser = one_of(FORMATS))]
    format: Format,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let migrator = context.operator()?;
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let address = database.address();
    let written = match (args.list, args.diff) {
        (true, _) => {
            let list = migrator.recorded_runs(&connection, args.limit).await?;
            write(&list, &runs(&list, &address), args, context)
        }
        (false, Some(other)) => {
            let before = read(&migrator, &connection, args.run).await?;
            let after = read(&migrator, &connection, Some(other)).await?;
            let compared = difference(&before, &after);
            write(&compared, &compared.sheet(&address), args, context)
        }
        (false, None) => {
            let found = read(&migrator, &connection, args.run).await?;
            write(&found, &report(&found, &address), args, context)
        }
    };
    connection.close().await;
    written.map(|()| ExitCode::SUCCESS)
}

async fn read(migrator: &Migrator, connection: &Connection, run: Option<i64>) -> anyhow::Result<RunReport> {
    match (migrator.run_report(connection, run).await?, run) {
        (Some(report), _) => Ok(report),
        (None, Some(run)) => bail!("there is no record of run {run}; `cargo xtask report --list` lists runs"),
        (None, None) => {
            bail!("no run is recorded in this database; a run with nothing to do leaves no record")
        }
    }
}

fn write(value: &impl Serialize, sheet: &Sheet, args: &Args, context: &Context) -> anyhow::Result<()> {
    let json = || serde_json::to_string_pretty(value).context("cannot serialise the report as JSON");
    let Some(path) = &args.output else {
        return match args.format {
            Format::Json => context.out.document(&json()?),
            format => context.out.print(sheet.render(format)),
        };
    };
    let text = match args.format {
        Format::Json => terminal::json(&json()?),
        format => terminal::plain(&sheet.render(format)),
    };
    crate::fs::write(path, format!("{text}\n").as_bytes())?;
    context.out.note(format_args!("written: {}", path.display()));
    Ok(())
}

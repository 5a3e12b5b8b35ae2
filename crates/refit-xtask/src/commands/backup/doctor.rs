//! `cargo xtask backup doctor`

use std::process::ExitCode;

use refit_backup::{Kind, doctor};

use crate::backups::{Location, kind_argument, tables_of};
use crate::context::Context;
use crate::database::Database;
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It changes nothing. The pg_dump that is used is the lowest one whose major version is not less than the server's. Free \
                  space is compared with the size of the tables; a dump is compressed and mostly smaller.\n\n\
                  Exit status: 0 a backup of this kind can be made; 1 it cannot; 2 could not run.\n\n\
                  Examples:\n  cargo xtask backup doctor\n  cargo xtask backup doctor --kind restore-point\n  \
                  cargo xtask backup doctor --tables orders --format json | jq .problems"
)]
pub(super) struct Args {
    /// The kind: restore-point, tables, full or command
    #[arg(long, value_name = "KIND", value_parser = kind_argument, default_value = "tables")]
    kind: Kind,
    /// The tables, separated by commas [default: all]
    #[arg(long, value_name = "TABLES")]
    tables: Vec<String>,
    #[command(flatten)]
    location: Location,
    /// The program of kind command, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<String>,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let database = Database::named(context)?;
    let mut options = args.location.options(context);
    options.command = args.command.clone();
    let names = tables_of(&args.tables);
    let names = (!names.is_empty()).then_some(names.as_slice());
    let diagnosis = doctor(database.url(), args.kind, names, &options).await?;
    let text = text![database.address(), "\n", render::backups::diagnosis(&diagnosis)];
    context.out.result(&diagnosis, text)?;
    Ok(if diagnosis.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

//! `cargo xtask backup list`

use std::process::ExitCode;

use refit_backup::list;

use crate::backups::{Location, state};
use crate::context::Context;
use crate::database::{DEVDB, Database, running_devdb};
use crate::render;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a database, the backups of the folder are listed. With one, also those that the database has on record and \
                  whose files are elsewhere, failed ones, and those whose process was killed. The JSON document is an array, oldest \
                  first.\n\n\
                  Examples:\n  cargo xtask backup list\n  \
                  cargo xtask backup list --format json | jq '.[] | {id, kind, created_at, bytes, run}'"
)]
pub(super) struct Args {
    #[command(flatten)]
    location: Location,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut records = Vec::new();
    if context.global.database_url.is_some() || running_devdb(DEVDB)?.is_some() {
        let database = Database::named(context)?;
        let state = state(context, &database).await?;
        let connection = database.connect().await?;
        records = refit::backup::all(&connection, &state).await?;
        connection.close().await;
    }
    let (backups, problems) = list(records, &args.location.options(context))?;
    for problem in problems {
        context.out.note(format_args!("cannot read {problem}"));
    }
    context.out.result(&backups, render::backups::list(&backups))?;
    Ok(ExitCode::SUCCESS)
}

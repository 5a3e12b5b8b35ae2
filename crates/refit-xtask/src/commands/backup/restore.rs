//! `cargo xtask backup restore`

use std::process::ExitCode;

use refit_backup::{RestoreRequest, plan_restore, restore};

use crate::backups::{Location, state, tables_of};
use crate::context::Context;
use crate::database::Database;
use crate::interrupt::interruptible;
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The rows of the tables are replaced by those of the backup, in one transaction: if anything fails, or the process is \
                  killed, the database is as before. Tables that reference them or are referenced are locked meanwhile. Foreign keys are dropped \
                  and added again, which checks all rows; triggers do not fire; sequences are never set back. Into a database without tables, \
                  the schema is restored as well. The history and Refit's own records are not restored into existing tables.\n\n\
                  Exit status: 0 restored; 2 refused or failed, and nothing was changed.\n\n\
                  Examples:\n  cargo xtask backup restore 20261129T010203Z-4f2a9c\n  \
                  cargo xtask backup restore 20261129T010203Z-4f2a9c --tables orders --yes\n  \
                  cargo xtask backup restore 20261129T010203Z-4f2a9c --into postgres://localhost/inspection"
)]
pub(super) struct Args {
    /// The ID of the backup
    #[arg(value_name = "ID")]
    id: String,
    /// The database to restore into, which may be another one than that of the backup [default: the named one]
    #[arg(long, value_name = "URL")]
    into: Option<String>,
    /// The tables to restore, separated by commas [default: all of the backup]
    #[arg(long, value_name = "TABLES")]
    tables: Vec<String>,
    /// Allow a database that is not the one of the backup
    #[arg(long)]
    other_database: bool,
    /// If columns have changed since, restore those that backup and table have in common
    #[arg(long)]
    matching_columns: bool,
    /// Show what would be lost, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    location: Location,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let options = args.location.options(context);
    let (url, state_schema) = match &args.into {
        Some(url) => (url.clone(), context.global.state_schema.clone().unwrap_or_else(|| "refit".to_owned())),
        None => {
            let database = Database::named(context)?;
            let state = state(context, &database).await?;
            (database.url().to_owned(), state.schema().to_owned())
        }
    };
    let request = RestoreRequest {
        url: &url,
        id: &args.id,
        tables: tables_of(&args.tables),
        other_database: args.other_database || args.into.is_some(),
        matching_columns: args.matching_columns,
        state_schema: &state_schema,
    };
    let plan = interruptible(&context.interrupt, context.out, plan_restore(&request, &options)).await??;
    let shown = render::backups::restore_plan(&plan);
    if args.dry_run {
        context.out.result(&plan, shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    context.out.note(shown);
    let question = match plan.creates_schema {
        true => format!("Create the schema and the rows of {} in {}?", plan.id, plan.address),
        false => format!("Replace the rows of these tables in {}?", plan.address),
    };
    context.out.confirm(&question, args.yes)?;
    let restored =
        interruptible(&context.interrupt, context.out, restore(&plan, &request, &options)).await??;
    context.out.result(&restored, text![plan.address.clone(), "\n", render::backups::restored(&restored)])?;
    Ok(ExitCode::SUCCESS)
}

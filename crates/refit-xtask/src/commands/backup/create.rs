//! `cargo xtask backup create`

use std::process::ExitCode;

use anyhow::bail;
use refit_backup::{Kind, Request, create, touched_tables};

use crate::backups::{Location, kind_argument, state, tables_of};
use crate::context::Context;
use crate::database::Database;
use crate::interrupt::interruptible;
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Kind tables holds the rows of the tables that pending migrations touch, or those of --tables, with partitions, the \
                  tables of views, and tables whose rows change with theirs by foreign keys; and the definitions of the whole schema. \
                  Kind command runs a program, whose output, one line, is the ID; it has the address in REFIT_CONNINFO, the password \
                  in PGPASSWORD and the run in REFIT_RUN.\n\n\
                  Exit status: 0 made, or there is nothing to back up; 2 not made.\n\n\
                  Examples:\n  cargo xtask backup create\n  cargo xtask backup create --tables orders,sales.customers\n  \
                  cargo xtask backup create --kind full --backup-dir /var/backups/app\n  \
                  cargo xtask backup create --kind command -- /usr/local/bin/snapshot-volume --wait"
)]
pub(super) struct Args {
    /// The kind: restore-point, tables, full or command
    #[arg(long, value_name = "KIND", value_parser = kind_argument, default_value = "tables")]
    kind: Kind,
    /// The tables of kind tables, separated by commas [default: those that pending migrations touch]
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
    let named = tables_of(&args.tables);
    if !named.is_empty() && args.kind != Kind::Tables {
        bail!("--tables is for backups of kind tables");
    }
    if !args.command.is_empty() && args.kind != Kind::Command {
        bail!("a program is for backups of kind command: give --kind command");
    }
    let mut options = args.location.options(context);
    options.command = args.command.clone();
    let may_be_missing = named.is_empty();
    let tables = match args.kind == Kind::Tables && named.is_empty() {
        true => touched(context, &database).await?,
        false => named,
    };
    let state = state(context, &database).await?;
    if state.is_empty() {
        context.out.note(
            "Refit has applied nothing to this database yet: the backup is recorded in its folder only",
        );
    }
    let request = Request {
        url: database.url(),
        kind: args.kind,
        tables,
        may_be_missing,
        run: None,
        state: Some(&state),
    };
    let made = Box::pin(create(&request, &options));
    let made = interruptible(&context.interrupt, context.out, made).await??;
    let text = match &made {
        Some(backup) => render::backups::made(backup, &options.folder),
        None => "nothing to back up: none of the tables exists".into(),
    };
    context.out.result(&made, text![database.address(), "\n", text])?;
    Ok(ExitCode::SUCCESS)
}

/// The tables that the pending migrations touch.
async fn touched(context: &Context, database: &Database) -> anyhow::Result<Vec<String>> {
    let set = context.set_with_values()?;
    let connection = database.connect().await?;
    let plan = context.migrator(set.clone()).plan(&connection).await?;
    connection.close().await;
    if plan.pending.is_empty() {
        bail!("no migration is pending: name the tables (--tables), or make a full backup (--kind full)");
    }
    let steps = plan.pending.iter().map(|step| (step.kind, step.version, step.stem.as_str()));
    Ok(touched_tables(&set, steps)?)
}

//! `cargo xtask rehearse`

mod table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use refit_devdb::ServerOptions;
use refit_model::MigrationSet;
use refit_rehearsal::{File, Place, RehearsalOptions, rehearse, server_options};

use crate::context::{Context, version_argument};
use crate::database::Database;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The migrations run on a private PostgreSQL that is thrown away, each as it will be applied: those before the \
                  rehearsed ones first, then rows are made up, then one after the other beside a reader and a writer on every \
                  table that it locks. With a database named (--database-url), what is pending there is rehearsed; without, all. \
                  That database is only asked for its history.\n\n\
                  Exit status: 0 fine, 1 a statement failed or a down file does not lead back, 2 could not run.\n\n\
                  Examples:\n  cargo xtask rehearse\n  cargo xtask rehearse --stairway --rows 100000\n  \
                  cargo xtask rehearse --to V0012 --markdown > comment.md\n  \
                  cargo xtask rehearse --database-url postgres://localhost/app"
)]
pub struct Args {
    /// Give each table this many made-up rows
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rows: u32,
    /// Rehearse all migrations, whatever a database has already
    #[arg(long)]
    all: bool,
    /// Rehearse no version above this one, and no repeatable migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Option<i64>,
    /// Also go up, down and up with every migration that has a down file, and compare the schemas
    #[arg(long)]
    stairway: bool,
    /// Print a comment for a pull request
    #[arg(long)]
    markdown: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let wanted = match context.global.database_url.is_some() && !args.all {
        true => Some(pending(&set, context).await?),
        false => None,
    };
    let is_wanted = |stem: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(stem));
    let files = files(&set, args.to, &context.global.environment, is_wanted);
    let place = Place::start(server_options(ServerOptions::from_env())).await?;
    if !args.markdown {
        context.out.note(format_args!("rehearsing on a private PostgreSQL {}", place.version()));
    }
    let options = RehearsalOptions { rows: args.rows, stairway: args.stairway };
    let rehearsal = rehearse(&place, &files, &options).await?;
    if args.markdown {
        context.out.print(table::markdown(&rehearsal))?;
    } else {
        context.out.result(&rehearsal, table::human(&rehearsal))?;
    }
    let wrong = rehearsal.steps.iter().any(refit_rehearsal::Step::is_wrong);
    Ok(if wrong { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Stems of what the database has not yet, held back or not.
async fn pending(set: &MigrationSet, context: &Context) -> anyhow::Result<BTreeSet<String>> {
    let connection = Database::named(context)?.connect().await?;
    let plan = context.migrator(set.clone()).plan(&connection).await?;
    connection.close().await;
    let held = plan.held.iter().map(|step| step.stem.clone());
    Ok(plan.pending.iter().map(|step| step.stem.clone()).chain(held).collect())
}

fn files(
    set: &MigrationSet,
    to: Option<i64>,
    environment: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<File> {
    let migrations = set.migrations().iter().filter(|migration| {
        migration.directives.runs_in(environment) && to.is_none_or(|to| migration.version <= to)
    });
    let repeatables = set
        .repeatables()
        .iter()
        .filter(|repeatable| repeatable.directives.runs_in(environment) && to.is_none());
    let versioned = migrations.map(|migration| File::migration(migration, is_wanted(&migration.stem)));
    versioned.chain(repeatables.map(|one| File::repeatable(one, is_wanted(&one.stem)))).collect()
}

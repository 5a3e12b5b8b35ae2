//! `cargo xtask rehearse`

use std::collections::BTreeSet;
use std::process::ExitCode;

use refit_model::MigrationSet;
use refit_rehearsal::{File, RehearsalOptions, rehearse};

use crate::context::{Context, version_argument};
use crate::database::{Database, rehearsal_server};
use crate::render::rehearsal;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The migrations run on a private PostgreSQL, which is removed afterwards. Earlier migrations run first, and rows are \
                  generated; then each rehearsed migration runs as it will be applied, with a reader and a writer on every table that \
                  it locks, and with its checks. With --database-url, the migrations pending in that database are rehearsed, and only its history is read; \
                  without, all migrations are.\n\n\
                  Exit status: 0 success; 1 a statement or a check failed, or a down file does not restore the schema; 2 could not run.\n\n\
                  Examples:\n  cargo xtask rehearse\n  cargo xtask rehearse --stairway --rows 100000\n  \
                  cargo xtask rehearse --to V0012 --markdown > comment.md\n  \
                  cargo xtask rehearse --database-url postgres://localhost/app"
)]
pub struct Args {
    /// Number of rows to generate per table
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rows: u32,
    /// Rehearse all migrations, even those already applied to the database
    #[arg(long)]
    all: bool,
    /// Rehearse no version above this one, and no repeatable migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Option<i64>,
    /// Also run each migration with a down file up, down and up again, and compare the schemas
    #[arg(long)]
    stairway: bool,
    /// Leave out the checks, which may not hold for generated rows
    #[arg(long)]
    no_checks: bool,
    /// Print a comment for a pull request
    #[arg(long)]
    markdown: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set_with_values()?;
    let selected = match context.global.database_url.is_some() && !args.all {
        true => Some(pending(&set, context).await?),
        false => None,
    };
    let is_selected = |stem: &str| selected.as_ref().is_none_or(|selected| selected.contains(stem));
    let steps = set.steps_in(&context.global.environment, args.to);
    let mut files: Vec<File> = steps.map(|step| File::step(step, is_selected(&step.file().stem))).collect();
    if args.no_checks {
        files.iter_mut().for_each(|file| file.checks.clear());
    }
    let server = rehearsal_server().await?;
    if !args.markdown {
        context.out.note(format_args!("rehearsing on a private PostgreSQL {}", server.version()));
    }
    let options = RehearsalOptions { rows: args.rows, stairway: args.stairway };
    let rehearsed = rehearse(&server, &files, &options).await?;
    if args.markdown {
        context.out.print(rehearsal::markdown(&rehearsed))?;
    } else {
        context.out.result(&rehearsed, rehearsal::human(&rehearsed))?;
    }
    let failed = rehearsed.steps.iter().any(refit_rehearsal::RehearsalStep::has_failed);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The stems of the steps that are not applied yet, held ones included.
async fn pending(set: &MigrationSet, context: &Context) -> anyhow::Result<BTreeSet<String>> {
    let connection = Database::named(context)?.connect().await?;
    let plan = context.migrator(set.clone()).plan(&connection).await?;
    connection.close().await;
    let held = plan.held.iter().map(|step| step.stem.clone());
    Ok(plan.pending.iter().map(|step| step.stem.clone()).chain(held).collect())
}

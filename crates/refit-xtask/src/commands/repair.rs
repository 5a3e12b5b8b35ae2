//! `cargo xtask repair`

use std::process::ExitCode;

use refit::HistoryChange;
use refit_model::wording::counted;

use crate::context::{Context, version_argument};
use crate::database::{Database, with_waiting_note};
use crate::output::GOOD;
use crate::render::repair::repairs as described;
use crate::repairs::{Repair, Requested, repairs};
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Only the history is changed, not the schema. The applied text is looked up in git.\n\n\
                  Exit status: 0 repaired or nothing to repair; 2 could not run or was not confirmed.\n\n\
                        Examples:\n  cargo xtask repair\n  cargo xtask repair --version V0012 --yes\n  \
                        cargo xtask repair --forget V0007\n  cargo xtask repair --statement-done V0012"
)]
pub struct Args {
    /// Accept only the edit of this migration [default: all edited ones]
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    version: Option<i64>,
    /// Remove a migration from the history whose file was deleted
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    forget: Vec<i64>,
    /// Mark a backfill without a recorded job as complete, so that steps that wait for it may run
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    backfill_complete: Vec<i64>,
    /// Run a backfill without a recorded job again
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    backfill_again: Vec<i64>,
    /// Mark the interrupted non-transactional statement of this step as complete; the next run resumes after it
    #[arg(long, value_name = "VERSION | R__NAME")]
    statement_done: Vec<String>,
    /// Allow that statement to run again; what it has already committed is kept
    #[arg(long, value_name = "VERSION | R__NAME")]
    statement_again: Vec<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let migrator = context.migrator(set.clone());
    let plan = migrator.plan(&connection).await?;
    let requested = Requested {
        version: args.version,
        forget: &args.forget,
        backfill_complete: &args.backfill_complete,
        backfill_again: &args.backfill_again,
        statement_done: &args.statement_done,
        statement_again: &args.statement_again,
    };
    let repairs = repairs(&requested, &plan, &set, &context.migrations_dir())?;
    let text = described(&repairs, &plan);
    if repairs.is_empty() {
        context.out.result(&repairs, text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if context.out.human() {
        context.out.print(text)?;
    }
    let count = repairs.len();
    let question = format!("Change {} in {}?", counted(count, "row"), database.address());
    context.out.confirm(&question, args.yes)?;
    let changes: Vec<HistoryChange> = repairs.iter().map(Repair::change).collect();
    with_waiting_note(migrator, context.out).change_history(&connection, &changes).await?;
    connection.close().await;
    let text = text![GOOD.of("repaired"), format!(" {count} in {}", database.address())];
    context.out.result(&repairs, text)?;
    Ok(ExitCode::SUCCESS)
}

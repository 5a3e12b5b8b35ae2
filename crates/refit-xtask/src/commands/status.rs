//! `cargo xtask status`

use refit::backfill::JobState;
use std::fmt::Write;
use std::process::ExitCode;

use refit::{Holder, Status};
use refit_model::{MigrationSet, visible_line};

use crate::backfills::unfinished_lines;
use crate::context::Context;
use crate::database::Database;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::render;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 up to date; 1 something is pending or refused, or a backfill is unfinished; 2 could not run.\n\n\
                        Examples:\n  cargo xtask status --database-url postgres://localhost/app\n  \
                        cargo xtask status --format json | jq .holder"
)]
pub struct Args {}

pub(crate) async fn run(_: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let migrator = context.migrator(set.clone());
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let status = migrator.status(&connection).await?;
    connection.close().await;
    let text = format!("{}\n{}", database.address(), describe(&status, &set));
    context.out.result(&status, text)?;
    let complete = status.backfills.iter().all(|backfill| backfill.state == JobState::Complete);
    Ok(if complete && status.plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn describe(status: &Status, set: &MigrationSet) -> String {
    let mut text = String::new();
    for row in &status.applied {
        let stem = set
            .migration(row.version)
            .map_or_else(|| format!("V{}__{}", row.version, row.name), |m| m.stem.clone());
        let when = row.applied_on.get(..19).unwrap_or(&row.applied_on);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {GOOD}applied{GOOD:#}  {stem}  {QUIET}{when}{QUIET:#}");
    }
    text.push_str(&render::plan::plan(&status.plan));
    text.push_str(&unfinished_lines(&status.backfills));
    if let Some(run) = status.last_run.as_ref().filter(|run| run.outcome != "succeeded") {
        let _ = match (&run.error, run.outcome.as_str()) {
            (Some(error), _) => {
                let what = if run.undo_to.is_some() { "rollback" } else { "run" };
                write!(text, "\n{BAD}last {what} failed{BAD:#} at {}: {error}", run.started_at)
            }
            (None, "running") if let (None, Some(to)) = (&status.holder, run.undo_to) => {
                let note = format!("resume it with `cargo xtask rollback --to {to}`");
                write!(
                    text,
                    "\n{WARN}last rollback was interrupted{WARN:#}: started at {}; {note}",
                    run.started_at
                )
            }
            (None, "running") if status.holder.is_none() => {
                let note = "the process exited unexpectedly; the next boot resumes here";
                write!(
                    text,
                    "\n{WARN}last run was interrupted{WARN:#}: started at {}; {note}",
                    run.started_at
                )
            }
            _ => Ok(()),
        };
    }
    if let Some(holder) = &status.holder {
        describe_holder(holder, &mut text);
    }
    text
}

fn describe_holder(holder: &Holder, text: &mut String) {
    let Holder {
        pid, application_name, client, state, statement_seconds, waits_for, query, blocked_by, ..
    } = holder;
    let _ = write!(
        text,
        "\n{WARN}running{WARN:#}  pid {pid} ({}) from {client}: {state} for {statement_seconds:.1} s: {}",
        visible_line(application_name),
        visible_line(query)
    );
    if let Some(waits_for) = waits_for {
        let _ = write!(text, "\n  waits for {waits_for}");
    }
    for blocker in blocked_by {
        let _ = write!(text, "\n  {BAD}blocked by{BAD:#} {}", visible_line(blocker));
    }
}

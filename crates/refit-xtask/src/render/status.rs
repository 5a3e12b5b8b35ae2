//! Rendering of the status of a database.

use refit::{AppliedRow, Holder, RunOutcome, Status};
use refit_model::{MigrationSet, visible_line};

use super::backfill::unfinished;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Text, text};

/// What is applied, planned, running and blocked.
pub(crate) fn status(status: &Status, set: &MigrationSet) -> Text {
    let mut lines: Vec<Text> = status.applied.iter().map(|row| applied(row, set)).collect();
    lines.push(super::plan::plan(&status.plan));
    lines.extend(unfinished(&status.backfills));
    lines.extend(last_run(status));
    lines.extend(overridden(status));
    lines.extend(status.holder.as_ref().map(holder));
    Text::lines(lines)
}

fn applied(row: &AppliedRow, set: &MigrationSet) -> Text {
    let stem = set
        .migration(row.version)
        .map_or_else(|| format!("V{}__{}", row.version, row.name), |m| m.stem.clone());
    let when = row.applied_on.get(..19).unwrap_or(&row.applied_on);
    text!["  ", GOOD.of("applied"), format!("  {stem}  "), QUIET.of(when)]
}

/// The last run, if it failed, or was interrupted and left work.
fn last_run(status: &Status) -> Option<Text> {
    let failed = status.last_run.as_ref().filter(|run| run.outcome != RunOutcome::Succeeded);
    if let Some((run, error)) = failed.and_then(|run| Some((run, run.error.as_ref()?))) {
        let what = if run.undo_to.is_some() { "rollback" } else { "run" };
        return Some(text![
            BAD.of(format!("last {what} failed")),
            format!(" at {}: {error}", run.started_at)
        ]);
    }
    let run = status.interrupted_run()?;
    let (what, note) = match run.undo_to {
        Some(to) => ("rollback", format!("resume it with `cargo xtask rollback --to {to}`")),
        None => ("run", "the process exited unexpectedly; the next boot resumes here".to_owned()),
    };
    Some(text![
        WARN.of(format!("last {what} was interrupted")),
        format!(": started at {}; {note}", run.started_at)
    ])
}

/// Why the last run could pass closed gates.
fn overridden(status: &Status) -> Option<Text> {
    let run = status.last_run.as_ref()?;
    let reason = run.override_reason.as_ref()?;
    Some(text![
        WARN.of("last run had an override"),
        format!(": started at {}; {}", run.started_at, visible_line(reason))
    ])
}

fn holder(holder: &Holder) -> Text {
    let Holder {
        pid, application_name, client, state, statement_seconds, waits_for, query, blocked_by, ..
    } = holder;
    let session = format!(
        "  pid {pid} ({}) from {client}: {state} for {statement_seconds:.1} s: {}",
        visible_line(application_name),
        visible_line(query)
    );
    let mut text = text![WARN.of("running"), session];
    if let Some(waits_for) = waits_for {
        text.push(format!("\n  waits for {waits_for}"));
    }
    for blocker in blocked_by {
        text.push(text!["\n  ", BAD.of("blocked by"), " ", visible_line(blocker)]);
    }
    text
}

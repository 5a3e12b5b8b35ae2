//! Rendering of backfills for people.

use std::fmt::Write as _;

use refit::backfill::{JobKind, JobState, JobStatus};
use refit_model::visible_line;

use super::poller::ObservedJob;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::render::figures::{self, count, size, span};
use crate::terminal::Paint;

/// The state to display, and its colour.
pub(crate) fn state(status: &JobStatus) -> (&'static str, Paint) {
    let word = status.state.as_str();
    match status.state {
        _ if status.is_paused() => ("paused", WARN),
        JobState::Complete => (word, GOOD),
        JobState::Failed | JobState::Incomplete | JobState::Canceled => (word, BAD),
        _ => (word, WARN),
    }
}

/// The progress in one line, without name and state.
pub(crate) fn figures(seen: &ObservedJob) -> String {
    let status = &seen.status;
    let changed = format!("{} rows {}", count(status.rows_changed), status.done());
    match (status.state, status.seconds) {
        (JobState::Complete, Some(seconds)) => {
            let batches = count(status.batches);
            return format!("{changed} in {}, {batches} batches", span(seconds));
        }
        (JobState::Registered, _) => return "not started".to_owned(),
        _ => {}
    }
    let mut parts = vec![format!("{:5.1} %", status.progress * 100.0)];
    parts.push(match status.rows_estimated {
        0 => changed,
        rows => format!("{changed} of about {}", count(rows)),
    });
    // Without a worker, rate and estimate are outdated.
    if status.state == JobState::Running && seen.sessions > 0 && !status.is_paused() {
        parts.extend(status.rows_per_second.map(|rate| format!("{} rows/s", figures::rate(rate))));
        parts.extend(status.eta_seconds.map(|eta| format!("{} left", span(eta))));
    }
    parts.join("  ")
}

/// A summary line and the details below it.
pub(crate) fn block(seen: &ObservedJob, width: usize) -> String {
    let status = &seen.status;
    let (word, style) = state(status);
    let undo = if status.kind == JobKind::Undo { "  (undo)" } else { "" };
    let mut text = format!("{style}{word:<10}{style:#}  {:width$}{undo}  {}", status.name, figures(seen));
    for (label, style, words) in details(seen) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {style}{label:<8}{style:#}  {words}");
    }
    text
}

/// The details below a backfill's line: label, colour, text.
fn details(seen: &ObservedJob) -> Vec<(&'static str, Paint, String)> {
    let status = &seen.status;
    let mut lines = Vec::new();
    if let (Some(strategy), Some(reason)) = (&status.strategy, &status.reason) {
        lines.push(("strategy", QUIET, format!("{strategy}: {reason}")));
    }
    let unfinished = status.state == JobState::Running;
    if unfinished && (status.retries > 0 || status.pass > 0 || status.batches > 0) {
        let mut batches = format!("{} committed", count(status.batches));
        if status.retries > 0 {
            batches.push_str(&format!(", {} retried", count(status.retries)));
        }
        if status.pass > 0 {
            batches.push_str(&format!(", closing sweep {}", status.pass));
        }
        lines.push(("batches", QUIET, batches));
    }
    for (number, worker) in status.workers.iter().enumerate() {
        let label = if number == 0 { "workers" } else { "" };
        let again = worker.retry_reason.as_ref().map_or_else(String::new, |why| format!(", retried: {why}"));
        let rows = count(worker.batch_rows.into());
        lines.push((
            label,
            QUIET,
            format!(
                "pid {} from {}, batches of {rows} in {}{again}",
                worker.pid, worker.host, worker.relation
            ),
        ));
    }
    if seen.is_runnable() && seen.sessions == 0 {
        let none = if status.kind == JobKind::Undo { NO_ROLLBACK } else { NO_WORKER };
        lines.push(("worker", WARN, none.to_owned()));
    } else if let Some(throttle) = &status.throttle {
        lines.push(("slowed", WARN, throttle.clone()));
    }
    if status.is_paused() {
        lines.push((
            "paused",
            WARN,
            format!("continue with `cargo xtask backfill resume {}`", status.version),
        ));
    }
    if let Some(error) = &status.error {
        lines.push(("stopped", BAD, error.clone()));
    }
    for (number, row) in status.failed_rows.iter().enumerate() {
        let label = if number == 0 { "failed" } else { "" };
        let (relation, key, message, sqlstate) = (
            &row.relation,
            visible_line(&row.key.join(", ")).into_owned(),
            visible_line(&row.message),
            &row.sqlstate,
        );
        lines.push((label, BAD, format!("{relation} ({key}): {message} (SQLSTATE {sqlstate})")));
    }
    let more = status.errors - i64::try_from(status.failed_rows.len()).unwrap_or(0);
    if more > 0 {
        lines.push(("", QUIET, format!("and {} more in refit.backfill_error", count(more))));
    }
    lines.extend(rows_not_restored(status));
    lines.extend(journal(seen));
    lines
}

/// Rows that an undo did not restore, with their keys.
fn rows_not_restored(status: &JobStatus) -> Option<(&'static str, Paint, String)> {
    let more = match status.changed_since {
        0 => return None,
        few if few <= KEYS => String::new(),
        many => {
            let journal = status.journal.as_ref().map_or("the journal", |journal| &journal.table);
            format!(" and {} more in {journal}", count(many - KEYS))
        }
    };
    let keys = status.changed_keys.iter().take(usize::try_from(KEYS).unwrap_or(0));
    let keys: Vec<String> = keys.map(|key| format!("({})", visible_line(&key.join(", ")))).collect();
    let rows = if status.changed_since == 1 { "row was" } else { "rows were" };
    let left = count(status.changed_since);
    Some(("left", WARN, format!("{left} {rows} changed later and not restored: {}{more}", keys.join(" "))))
}

/// Maximum number of keys to show.
const KEYS: i64 = 20;

/// The size of the undo journal, and when it is dropped.
fn journal(seen: &ObservedJob) -> Option<(&'static str, Paint, String)> {
    let journal = seen.status.journal.as_ref()?;
    let until = match (&seen.journal_kept_until, &journal.kept_since) {
        (Some(until), _) => format!("kept until {until}"),
        (None, Some(since)) => format!("kept for `undo_retention` from {since} on"),
        (None, None) => "kept until the backfill is complete, and then for `undo_retention`".to_owned(),
    };
    Some(("journal", QUIET, format!("{}, {until}", size(journal.bytes))))
}

const NO_ROLLBACK: &str = "none; run `cargo xtask rollback`";
const NO_WORKER: &str = "none; run `cargo xtask backfill run`, or start a service";

/// All backfills, aligned.
pub(crate) fn blocks(all: &[ObservedJob]) -> String {
    let width = all.iter().map(|seen| seen.status.name.chars().count()).max().unwrap_or(0);
    all.iter().map(|seen| block(seen, width)).collect::<Vec<_>>().join("\n")
}

/// One line for each unfinished backfill, for `plan` and `status`.
pub(crate) fn unfinished_lines(all: &[JobStatus]) -> String {
    let unfinished = all.iter().filter(|status| status.state != JobState::Complete);
    let line = |status: &JobStatus| {
        let (word, style) = state(status);
        let mut line = format!(
            "\n  {style}backfill{style:#} {}  {word}, {:.1} %, {} rows {}",
            status.name,
            status.progress * 100.0,
            count(status.rows_changed),
            status.done()
        );
        if let Some(error) = &status.error {
            line.push_str(&format!(": {error}"));
        }
        line
    };
    unfinished.map(line).collect()
}

/// Which process resumes a backfill that may run again.
pub(crate) fn resume_hint(status: &JobStatus) -> &'static str {
    match status.kind {
        JobKind::Undo => {
            "a waiting rollback continues within seconds; if there is none, run `cargo xtask rollback`"
        }
        _ => "a waiting process continues within seconds; if there is none, run `cargo xtask backfill run`",
    }
}

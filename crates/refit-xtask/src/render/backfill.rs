//! The status of backfills for people: as a block with details, as a line, and beside a bar.

use refit::backfill::{JobKind, JobState, JobStatus};
use refit_model::visible_line;
use refit_model::wording::{self, grouped, plural, span};

use super::figures::{failed, size};
use crate::backfills::ObservedJob;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Style, Text, text};

/// The state to display, and its style.
pub(crate) fn state(status: &JobStatus) -> (&'static str, Style) {
    let word = status.state.as_str();
    match status.state {
        _ if status.is_paused() => ("paused", WARN),
        JobState::Complete => (word, GOOD),
        JobState::Failed | JobState::Incomplete | JobState::Canceled => (word, BAD),
        _ => (word, WARN),
    }
}

/// The progress in one line, without name and state. `has_workers`: without a worker, rate and estimate are outdated.
/// `width` is that of the percentage.
fn progress(status: &JobStatus, has_workers: bool, width: usize) -> String {
    let changed = format!("{} rows {}", grouped(status.rows_changed), status.done());
    match (status.state, status.seconds) {
        (JobState::Complete, Some(seconds)) => {
            let batches = grouped(status.batches);
            return format!("{changed} in {}, {batches} batches", span(seconds));
        }
        (JobState::Registered, _) => return "not started".to_owned(),
        _ => {}
    }
    let mut parts = vec![format!("{:width$.1} %", status.progress * 100.0)];
    parts.push(match status.rows_estimated {
        0 => changed,
        rows => format!("{changed} of about {}", grouped(rows)),
    });
    if status.state == JobState::Running && has_workers && !status.is_paused() {
        parts.extend(status.rows_per_second.map(|rate| format!("{} rows/s", wording::rate(rate))));
        parts.extend(status.eta_seconds.map(|eta| format!("{} left", span(eta))));
    }
    parts.join("  ")
}

/// The width of the percentage where lines are aligned.
const ALIGNED: usize = 5;

/// All backfills, aligned, with their details.
pub(crate) fn blocks(all: &[ObservedJob]) -> Text {
    let width = all.iter().map(|seen| seen.status.name.chars().count()).max().unwrap_or(0);
    Text::lines(all.iter().map(|seen| block(seen, width)))
}

/// A summary line and the details below it.
fn block(seen: &ObservedJob, width: usize) -> Text {
    let status = &seen.status;
    let (word, style) = state(status);
    let undo = if status.kind == JobKind::Undo { "  (undo)" } else { "" };
    let progress = progress(status, seen.sessions > 0, ALIGNED);
    let mut block = text![style.column(word, 10), format!("  {:width$}{undo}  {progress}", status.name)];
    for (label, style, words) in details(seen) {
        block.push(text!["\n  ", style.column(label, 8), "  ", words]);
    }
    block
}

/// One line about a backfill. `idle`: whether it waits for a worker.
pub(crate) fn line(seen: &ObservedJob, idle: bool) -> Text {
    let status = &seen.status;
    let (word, style) = state(status);
    let progress = progress(status, seen.sessions > 0, ALIGNED);
    let mut parts = vec![text![style.column(word, 10), "  ", &status.name, "  ", progress]];
    if status.pass > 0 && !seen.is_complete() {
        parts.push(sweep(status).into());
    }
    if status.errors > 0 {
        parts.push(failed(status.errors).into());
    }
    if idle {
        parts.push(WARN.of("no worker"));
    } else if !seen.is_complete() {
        parts.extend(obstacle(status));
    }
    parts.extend(status.error.as_ref().map(Text::from));
    Text::join(parts, "  ")
}

/// A line about a backfill that starts, with the reason for its strategy.
pub(crate) fn started(status: &JobStatus, strategy: &str, reason: &str) -> Text {
    text![QUIET.column("started", 10), format!("  {}  {strategy}: {reason}", status.name)]
}

/// The figures beside a bar, and a second line with strategy, workers and problems.
pub(crate) fn beside_bar(seen: &ObservedJob) -> Text {
    let status = &seen.status;
    let mut parts: Vec<Text> = Vec::new();
    parts.extend(status.strategy.map(|strategy| Text::from(strategy.as_str())));
    if let Some(worker) = status.workers.first() {
        let workers = if status.workers.len() == 1 { "worker" } else { "workers" };
        let rows = grouped(worker.batch_rows);
        parts.push(format!("{} {workers}, batches of {rows}", status.workers.len()).into());
    }
    if status.pass > 0 {
        parts.push(sweep(status).into());
    }
    if status.errors > 0 {
        parts.push(failed(status.errors).into());
    }
    parts.extend(obstacle(status));
    let mut beside = Text::from(progress(status, seen.sessions > 0, 0));
    if !parts.is_empty() {
        beside.push(text!["\n  ", Text::join(parts, ", ")]);
    }
    beside
}

fn sweep(status: &JobStatus) -> String {
    format!("closing sweep {}", status.pass)
}

/// Why the job is paused or slow.
fn obstacle(status: &JobStatus) -> Option<Text> {
    match &status.throttle {
        _ if status.is_paused() => Some(text![WARN.of("paused"), ": ", continue_with(status)]),
        Some(throttle) => Some(text![WARN.of("slowed"), ": ", throttle]),
        None => None,
    }
}

fn continue_with(status: &JobStatus) -> String {
    format!("continue with `cargo xtask backfill resume {}`", status.version)
}

/// One line for each unfinished backfill, for `plan` and `status`.
pub(crate) fn unfinished(all: &[JobStatus]) -> Vec<Text> {
    let unfinished = all.iter().filter(|status| status.state != JobState::Complete);
    let line = |status: &JobStatus| {
        let (word, style) = state(status);
        let progress = progress(status, !status.workers.is_empty(), 0);
        let mut line = text!["  ", style.of("backfill"), format!(" {}  {word}  {progress}", status.name)];
        if let Some(error) = &status.error {
            line.push(text![": ", error]);
        }
        line
    };
    unfinished.map(line).collect()
}

/// The details below a backfill's line: label, colour, text.
fn details(seen: &ObservedJob) -> Vec<(&'static str, Style, String)> {
    let status = &seen.status;
    let mut lines = Vec::new();
    if let (Some(strategy), Some(reason)) = (&status.strategy, &status.reason) {
        lines.push(("strategy", QUIET, format!("{strategy}: {reason}")));
    }
    let unfinished = status.state == JobState::Running;
    if unfinished && (status.retries > 0 || status.pass > 0 || status.batches > 0) {
        let mut batches = format!("{} committed", grouped(status.batches));
        if status.retries > 0 {
            batches.push_str(&format!(", {} retried", grouped(status.retries)));
        }
        if status.pass > 0 {
            batches.push_str(&format!(", {}", sweep(status)));
        }
        lines.push(("batches", QUIET, batches));
    }
    for (number, worker) in status.workers.iter().enumerate() {
        let label = if number == 0 { "workers" } else { "" };
        let again = worker.retry_reason.as_ref().map_or_else(String::new, |why| format!(", retried: {why}"));
        let rows = grouped(worker.batch_rows);
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
        lines.push(("paused", WARN, continue_with(status)));
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
        lines.push(("", QUIET, format!("and {} more in refit.backfill_error", grouped(more))));
    }
    lines.extend(rows_left(status));
    lines.extend(journal(seen));
    lines
}

/// Rows that an undo left as they are, with their keys.
fn rows_left(status: &JobStatus) -> Option<(&'static str, Style, String)> {
    let more = match status.changed_since {
        0 => return None,
        few if few <= KEYS => String::new(),
        many => {
            let journal = status.journal.as_ref().map_or("the journal", |journal| &journal.table);
            format!(" and {} more in {journal}", grouped(many - KEYS))
        }
    };
    let keys = status.changed_keys.iter().take(usize::try_from(KEYS).unwrap_or(0));
    let keys: Vec<String> = keys.map(|key| format!("({})", visible_line(&key.join(", ")))).collect();
    let rows = plural(status.changed_since, "row was", "rows were");
    let (left, done) = (grouped(status.changed_since), status.done());
    Some(("left", WARN, format!("{left} {rows} changed later and not {done}: {}{more}", keys.join(" "))))
}

/// Maximum number of keys to show.
const KEYS: i64 = 20;

/// The size of the undo journal, and when it is dropped.
fn journal(seen: &ObservedJob) -> Option<(&'static str, Style, String)> {
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

/// Which process resumes a backfill that may run again.
pub(crate) fn resume_hint(status: &JobStatus) -> &'static str {
    match status.kind {
        JobKind::Undo => {
            "a waiting rollback continues within seconds; if there is none, run `cargo xtask rollback`"
        }
        _ => "a waiting process continues within seconds; if there is none, run `cargo xtask backfill run`",
    }
}

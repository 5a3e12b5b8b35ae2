//! Rendering of a rehearsal for a terminal and as a comment for a pull request.

use std::fmt::Write as _;
use std::time::Duration;

use annotate_snippets::normalize_untrusted_str;
use refit::Verdict;
use refit_model::wording::{counted, measured};
use refit_rehearsal::{LockMode, Rehearsal, RehearsalStep, RelationKind, Stairway, StatementTrace, Wait};

use super::{checks, statement};
use crate::output::{BAD, GOOD, QUIET};
use crate::styled::{Text, text};

/// Each migration with its statements and their effects.
pub(crate) fn human(rehearsal: &Rehearsal) -> Text {
    let mut lines: Vec<Text> = Vec::new();
    for step in &rehearsal.steps {
        let style = if step.has_failed() { BAD } else { GOOD };
        let how = if step.transaction { "" } else { ", statement by statement" };
        let took = measured(step.duration);
        lines.push(text![style.of(plain(&step.path)), " ", QUIET.of(format!("{took}{how}"))]);
        for statement in &step.statements {
            let (line, column) = (statement.line, statement.column);
            let headline = plain(&statement::headline(statement));
            lines.push(format!("  {line}:{column}  {headline}").into());
            lines
                .extend(details(step, statement).iter().map(|line| format!("       {}", plain(line)).into()));
        }
        lines.extend(checks::lines(&step.checks));
        if let Some(stairway) = &step.stairway {
            let (outcome, delta) = stairway_text(stairway);
            for (number, line) in outcome.lines().chain(delta.trim_end().lines()).enumerate() {
                let indent = if number == 0 { 2 } else { 7 };
                lines.push(format!("{:indent$}{}", "", plain(line)).into());
            }
        }
    }
    for filled in rehearsal.rows.iter().filter(|filled| filled.reason.is_some()) {
        let reason = filled.reason.as_deref().unwrap_or_default();
        let line = format!("{} has {}: {reason}", filled.table, counted(filled.rows, "row"));
        lines.push(QUIET.of(plain(&line)));
    }
    let failed = rehearsal.steps.iter().any(RehearsalStep::has_failed);
    let style = if failed { BAD } else { GOOD };
    lines.push(style.of(summary(rehearsal)));
    Text::lines(lines)
}

fn plain(text: &str) -> String {
    normalize_untrusted_str(text)
}

fn summary(rehearsal: &Rehearsal) -> String {
    let failed = rehearsal.steps.iter().filter(|step| step.has_failed()).count();
    let outcome = if failed == 0 { "all passed".to_owned() } else { format!("{failed} failed") };
    let postgres = &rehearsal.postgres;
    format!("rehearsed {} on PostgreSQL {postgres}: {outcome}", counted(rehearsal.steps.len(), "migration"))
}

/// The lines below a statement: locks, effects and waits.
fn details(step: &RehearsalStep, statement: &StatementTrace) -> Vec<String> {
    let mut lines = Vec::new();
    if statement.failure.is_none() && !locks(statement).is_empty() {
        lines.push(locks(statement).join("; "));
    }
    lines.extend(statement::work(statement));
    lines.extend(step.waits.iter().filter(|wait| wait.statement == statement.statement).map(wait_text));
    if let Some(failure) = &statement.failure {
        lines.push(format!("at {}:{}:{}", statement.path, failure.line, failure.column));
        lines.extend([&failure.detail, &failure.hint].into_iter().flatten().cloned());
    }
    lines
}

/// Locks on tables that can block other sessions.
fn locks(statement: &StatementTrace) -> Vec<String> {
    let blocking = statement.locks.iter().filter(|lock| {
        matches!(lock.kind, RelationKind::Table | RelationKind::MaterializedView)
            && lock.mode > LockMode::AccessShare
    });
    blocking.map(|lock| format!("{} on {}", lock.mode, lock.object)).collect()
}

fn wait_text(wait: &Wait) -> String {
    let (reader, writer) = (measured(wait.reader), measured(wait.writer));
    format!("a reader of {} waited at most {reader}, a writer {writer}", wait.table)
}

/// The outcome in a sentence, and the difference of the schemas, if any.
fn stairway_text(stairway: &Stairway) -> (String, &str) {
    match stairway {
        Stairway::Same => ("up, down, up: the down file restores the schema".to_owned(), ""),
        Stairway::Moved { delta } => ("up, down, up: only the order of columns differs".to_owned(), delta),
        Stairway::Different { after, delta } => {
            (format!("up, down, up: after {after} the schema differs"), delta)
        }
        Stairway::Failed { during, path, failure } => {
            let code = failure.sqlstate.as_deref().unwrap_or_default();
            let (line, column) = (failure.line, failure.column);
            let message = &failure.message;
            (format!("up, down, up: {during} failed at {path}:{line}:{column}: {code} {message}"), "")
        }
    }
}

/// A table of the statements, followed by the deltas.
pub(crate) fn markdown(rehearsal: &Rehearsal) -> String {
    let mut text = format!("### Rehearsal\n\n{}\n\n", cell(&summary(rehearsal)));
    text.push_str(
        "| statement | took | locks | did | reader waited | writer waited |\n|---|---|---|---|---|---|\n",
    );
    for step in &rehearsal.steps {
        for statement in &step.statements {
            text.push_str(&row(step, statement));
        }
    }
    for check in rehearsal.steps.iter().flat_map(|step| &step.checks) {
        let verdict = match check.verdict {
            Verdict::Passed => continue,
            Verdict::Warned => "warns",
            Verdict::Failed => "**fails**",
        };
        let found = check.lines().into_iter().map(|line| line.text).collect::<Vec<_>>().join("; ");
        let _ = write!(text, "\nThe check `{}` {verdict}: {}\n", check.name.replace('`', "'"), cell(&found));
    }
    for step in &rehearsal.steps {
        let Some(stairway) = &step.stairway else { continue };
        if matches!(stairway, Stairway::Same) {
            continue;
        }
        let (outcome, delta) = stairway_text(stairway);
        let _ = write!(text, "\n`{}`: {}\n", step.path, cell(&outcome));
        if !delta.trim().is_empty() {
            // A fence longer than any in the text.
            let _ = write!(text, "\n````diff\n{}\n````\n", delta.trim_end().replace("````", "'''"));
        }
    }
    for filled in rehearsal.rows.iter().filter(|filled| filled.reason.is_some()) {
        let reason = cell(filled.reason.as_deref().unwrap_or_default());
        let _ = write!(text, "\n{} has {} rows: {reason}\n", cell(&filled.table), filled.rows);
    }
    text.trim_end().to_owned()
}

fn row(step: &RehearsalStep, statement: &StatementTrace) -> String {
    let waits: Vec<&Wait> = step.waits.iter().filter(|wait| wait.statement == statement.statement).collect();
    let longest = |waits: Vec<Duration>| waits.into_iter().max().map_or("–".to_owned(), measured);
    let mut did = statement::work(statement);
    did.extend(statement.rewritten.iter().map(|table| format!("rewrote {table}")));
    if statement.failure.is_some() {
        did = vec![statement::headline(statement)];
    }
    let cells = [
        format!("`{}:{}`", step.path.replace('`', "'"), statement.line),
        measured(statement.duration),
        cell(&locks(statement).join("; ")),
        cell(&did.join("; ")),
        longest(waits.iter().map(|wait| wait.reader).collect()),
        longest(waits.iter().map(|wait| wait.writer).collect()),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Escapes text for a Markdown table cell.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in refit_model::visible(text).chars() {
        match character {
            '\n' | '\r' => safe.push(' '),
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '`' | '*' | '[' | ']' | '\\' | '@' => {
                safe.push('\\');
                safe.push(character);
            }
            other => safe.push(other),
        }
    }
    safe
}

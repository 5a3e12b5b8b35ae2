//! Rendering of backups: diagnoses, lists, verifications and restores.

use std::path::Path;
use std::time::Duration;

use refit::backup::BackupState;
use refit_backup::{
    Backup, Diagnosis, Kind, ListedBackup, Loss, RestorePlan, Restored, Tool, Verification, size,
};
use refit_model::wording::{counted, elapsed, grouped};

use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Text, text};

/// What a backup needs, and what there is.
pub(crate) fn diagnosis(found: &Diagnosis) -> Text {
    let line = |label: &str, value: String| -> Text { format!("  {label:<14}{value}").into() };
    let mut lines = vec![line("server", format!("PostgreSQL {}, role {}", found.server_version, found.role))];
    for (name, tools) in [("pg_dump", &found.pg_dump), ("pg_restore", &found.pg_restore)] {
        if tools.is_empty() {
            lines.push(line(name, "not found".to_owned()));
        }
        lines.extend(tools.iter().map(|tool| line(name, tool_line(tool))));
    }
    let free = found.free_bytes.map_or("unknown".to_owned(), size);
    lines.push(line("folder", format!("{}, {free} free", found.folder.display())));
    let tables = counted(found.tables.len(), "table");
    lines.push(line("size", format!("{tables}, {} before compression", size(found.estimated_bytes))));
    lines.push(line(
        "restore point",
        found.restore_point.clone().unwrap_or_else(|| "can be created".to_owned()),
    ));
    if let Some(failure) = &found.archive_failure {
        lines.push(line("archiver", format!("failed: {failure}")));
    }
    lines.extend(found.warnings.iter().map(|warning| text!["  ", WARN.of("warning"), ": ", warning]));
    lines.extend(found.problems.iter().map(|problem| text!["  ", BAD.of("problem"), ": ", problem]));
    lines.push(match found.problems.is_empty() {
        true => text![GOOD.of("a backup can be made"), format!(" (kind {})", found.kind)],
        false => text![BAD.of("a backup would be refused"), format!(" (kind {})", found.kind)],
    });
    Text::lines(lines)
}

fn tool_line(tool: &Tool) -> String {
    let version = tool.version.as_deref().unwrap_or("version unknown");
    let mut line = format!("{version}  {}", tool.path.display());
    match &tool.problem {
        Some(problem) => line.push_str(&format!("  ({problem})")),
        None if tool.chosen => line.push_str("  (used)"),
        None => {}
    }
    line
}

/// A backup that was made.
pub(crate) fn made(backup: &Backup, folder: &Path) -> Text {
    let took = elapsed(Duration::from_secs_f64(backup.seconds));
    let Some(dump) = &backup.dump else {
        return text![GOOD.of("backed up"), format!(" {} (kind {}) in {took}", backup.id, backup.kind)];
    };
    let rows: i64 = dump.tables.iter().map(|table| table.rows).sum();
    text![
        GOOD.of("backed up"),
        format!(
            " {} (kind {}): {}, {}, {} in {took}\n  {}",
            backup.id,
            backup.kind,
            counted(dump.tables.len(), "table"),
            counted(u32::try_from(rows).unwrap_or(u32::MAX), "row"),
            size(dump.bytes),
            folder.join(&dump.file).display()
        )
    ]
}

/// Whether the backup that an environment requires before a run can be made.
pub(crate) fn required(found: &Diagnosis) -> Text {
    if !found.problems.is_empty() {
        return impossible(found.kind, &found.problems.join("; "));
    }
    let contents = match found.kind {
        Kind::Tables if found.tables.is_empty() => "no existing table is touched".to_owned(),
        Kind::Tables | Kind::Full => {
            let free = found.free_bytes.map_or("unknown".to_owned(), size);
            let tables = counted(found.tables.len(), "table");
            format!("{tables}, {} before compression, {free} free", size(found.estimated_bytes))
        }
        Kind::RestorePoint | Kind::Command => "can be made".to_owned(),
    };
    let warnings = found.warnings.iter().map(|warning| text!["    ", WARN.of("warning"), ": ", warning]);
    Text::lines(std::iter::once(first(found.kind, &contents)).chain(warnings))
}

/// The backup that an environment requires before a run, and what it will be.
pub(crate) fn first(kind: Kind, contents: &str) -> Text {
    text!["  ", QUIET.column("backup", 7), format!("  {kind} first: {contents}")]
}

/// Why the backup that an environment requires cannot be made.
pub(crate) fn impossible(kind: Kind, why: &str) -> Text {
    text!["  ", BAD.column("backup", 7), format!("  {kind} first, but it cannot be made: {why}")]
}

/// All backups, a line each.
pub(crate) fn list(backups: &[ListedBackup]) -> Text {
    if backups.is_empty() {
        return "no backups".into();
    }
    Text::lines(backups.iter().map(listed))
}

fn listed(backup: &ListedBackup) -> Text {
    let (state, style) = match backup.state {
        BackupState::Complete if backup.file.is_none() && backup.bytes.is_some() => ("elsewhere", QUIET),
        BackupState::Complete => ("complete", GOOD),
        BackupState::Running => ("running", WARN),
        BackupState::Interrupted => ("interrupted", BAD),
        BackupState::Removed => ("removed", QUIET),
        _ => ("failed", BAD),
    };
    let mut details = vec![backup.kind.clone()];
    details.extend(backup.bytes.map(|bytes| size(u64::try_from(bytes).unwrap_or(0))));
    details.extend((!backup.tables.is_empty()).then(|| counted(backup.tables.len(), "table")));
    details.extend(backup.run.map(|run| format!("run {run}")));
    details.push(backup.database.clone());
    let id = backup.id.as_deref().unwrap_or("(no ID)");
    let mut line = text![style.column(state, 11), "  ", id, "  ", details.join(", ")];
    if let Some(error) = &backup.error {
        line.push(format!("\n             {}", error.replace('\n', "\n             ")));
    }
    line
}

/// Backups that are to be removed.
pub(crate) fn expired(backups: &[Backup]) -> Text {
    Text::lines(backups.iter().map(|backup| {
        let bytes = backup.dump.as_ref().map_or(0, |dump| dump.bytes);
        format!("  {}  {}, {}", backup.id, backup.kind, size(bytes))
    }))
}

/// The outcome of a verification.
pub(crate) fn verification(found: &Verification) -> Text {
    let mut lines: Vec<Text> = Vec::new();
    for table in &found.tables {
        lines.push(match &table.problem {
            None => {
                let rows = counted(u32::try_from(table.rows).unwrap_or(u32::MAX), "row");
                text!["  ", GOOD.column("same", 7), "  ", &table.table, "  ", QUIET.of(rows)]
            }
            Some(problem) => text!["  ", BAD.column("differs", 7), "  ", &table.table, "  ", problem],
        });
    }
    lines.extend(found.warnings.iter().map(|warning| text![WARN.of("warning"), ": ", warning]));
    let differing = found.tables.iter().filter(|table| table.problem.is_some()).count();
    lines.push(match differing {
        0 => text![GOOD.of("verified"), format!(" {} on PostgreSQL {}", found.id, found.server_version)],
        _ => text![
            BAD.of("not verified"),
            format!(" {}: {} of {} tables differ", found.id, differing, found.tables.len())
        ],
    });
    Text::lines(lines)
}

/// What a restore would change.
pub(crate) fn restore_plan(plan: &RestorePlan) -> Text {
    let mut lines: Vec<Text> =
        vec![format!("{} of {}, into {}", plan.id, plan.created_at, plan.address).into()];
    if plan.creates_schema {
        lines.push("  the database has no tables: schema and rows are created".into());
    }
    lines.extend(plan.tables.iter().map(|loss| text!["  ", loss_line(loss)]));
    lines.extend(plan.warnings.iter().map(|warning| text!["  ", WARN.of("warning"), ": ", warning]));
    Text::lines(lines)
}

fn loss_line(loss: &Loss) -> Text {
    if loss.is_same == Some(true) {
        return text![&loss.table, "  ", GOOD.of("unchanged"), format!(", {} rows", grouped(loss.rows_now))];
    }
    let counts =
        format!("{} rows now, {} in the backup", grouped(loss.rows_now), grouped(loss.rows_in_backup));
    let since = match (loss.written_since, loss.gone_since) {
        (Some(written), Some(gone)) => format!(
            "; {} inserted or updated since would be lost, {} deleted or updated since would come back",
            grouped(written),
            grouped(gone)
        ),
        _ => "; which rows were changed since is not known".to_owned(),
    };
    text![&loss.table, "  ", WARN.of(counts), since]
}

/// What a restore did.
pub(crate) fn restored(done: &Restored) -> Text {
    let mut lines: Vec<Text> = Vec::new();
    for (table, rows) in &done.tables {
        lines.push(text!["  ", GOOD.of("restored"), format!("  {table}  {} rows", grouped(*rows))]);
    }
    lines.extend(done.sequences.iter().map(|name| format!("  moved forward  {name}").into()));
    lines.push(format!("restored {}", counted(done.tables.len(), "table")).into());
    Text::lines(lines)
}

//! Rendering of what a statement did, for traces and rehearsals.

use refit_model::wording::{counted, measured};
use refit_rehearsal::{Build, RelationKind, StatementTrace};

/// A summary in one line.
pub(crate) fn headline(statement: &StatementTrace) -> String {
    if let Some(failure) = &statement.failure {
        let code = failure.sqlstate.as_ref().map_or(String::new(), |code| format!("{code} "));
        return format!("failed: {code}{}", failure.message);
    }
    let batches =
        statement.batches.map(|count| format!(" in {}", counted(count, "batch"))).unwrap_or_default();
    let mut parts = vec![format!("took {}{batches}", measured(statement.duration))];
    if !statement.rewritten.is_empty() {
        parts.push(format!("rewrote {}", statement.rewritten.join(", ")));
    }
    let scanned: Vec<&str> = statement
        .scanned
        .iter()
        .map(|scan| scan.table.as_str())
        .filter(|table| !statement.rewritten.iter().any(|rewritten| rewritten == table))
        .collect();
    if !scanned.is_empty() {
        parts.push(format!("read all of {}", scanned.join(", ")));
    }
    parts.join(", ")
}

/// The locks that it took on existing tables.
pub(crate) fn locks(statement: &StatementTrace) -> String {
    let tables = statement
        .locks
        .iter()
        .filter(|lock| matches!(lock.kind, RelationKind::Table | RelationKind::MaterializedView));
    let locks: Vec<String> = tables.map(|lock| format!("{} on {}", lock.mode, lock.object)).collect();
    if locks.is_empty() { "no lock on an existing table".to_owned() } else { locks.join("; ") }
}

/// The other effects, one per line.
pub(crate) fn work(statement: &StatementTrace) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for scan in &statement.scanned {
        lines.push(format!("read {} of {} in a sequential scan", counted(scan.rows, "row"), scan.table));
    }
    for index in &statement.indexes {
        let did = match index.work {
            Build::Built => "built",
            Build::Rebuilt => "rebuilt",
        };
        lines.push(format!("{did} the index {} on {}", index.index, index.table));
    }
    for change in &statement.changed {
        let counts =
            [("inserted", change.inserted), ("updated", change.updated), ("deleted", change.deleted)];
        let counts = counts.iter().filter(|(_, rows)| *rows > 0);
        let counts: Vec<String> =
            counts.map(|(did, count)| format!("{did} {}", counted(*count, "row"))).collect();
        lines.push(format!("{} of {}", counts.join(", "), change.table));
    }
    lines
}

//! Rendering of what a statement did, for traces and rehearsals.

use std::time::Duration;

use refit_rehearsal::{Build, RelationKind, StatementTrace};

/// A summary in one line.
pub(crate) fn headline(statement: &StatementTrace) -> String {
    if let Some(failure) = &statement.failure {
        let code = failure.sqlstate.as_ref().map_or(String::new(), |code| format!("{code} "));
        return format!("failed: {code}{}", failure.message);
    }
    let batches = match statement.batches {
        Some(1) => " in 1 batch".to_owned(),
        Some(count) => format!(" in {count} batches"),
        None => String::new(),
    };
    let mut parts = vec![format!("took {}{batches}", short(statement.duration))];
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
        lines.push(format!("read {} of {} in a sequential scan", rows(scan.rows), scan.table));
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
        let counts: Vec<String> = counts.map(|(did, count)| format!("{did} {}", rows(*count))).collect();
        lines.push(format!("{} of {}", counts.join(", "), change.table));
    }
    lines
}

fn rows(count: i64) -> String {
    format!("{count} row{}", if count == 1 { "" } else { "s" })
}

/// A duration for people.
pub(crate) fn short(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        long if long >= 10_000.0 => format!("{:.1} s", long / 1e3),
        some if some >= 100.0 => format!("{some:.0} ms"),
        little => format!("{little:.1} ms"),
    }
}

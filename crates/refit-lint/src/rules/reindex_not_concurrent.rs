//! # REINDEX that blocks writes and most reads
//!
//! REINDEX takes SHARE on the table, which blocks every write, and ACCESS EXCLUSIVE on each index that it rebuilds,
//! which blocks every query that plans with the index: in effect all except prepared ones. It holds both for the whole
//! build. REINDEX CONCURRENTLY builds a new index beside the old one under SHARE UPDATE EXCLUSIVE and swaps them. It
//! cannot run in a transaction.
//!
//! REINDEX SYSTEM has no concurrent form and does not belong in a migration.
//!
//! Lock: SHARE on the table and ACCESS EXCLUSIVE on the index, for the whole build. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! REINDEX INDEX posts_author_id_idx;
//! ```
//!
//! ```toml,claim
//! lock = "SHARE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! REINDEX INDEX CONCURRENTLY posts_author_id_idx;
//! ```

use crate::check::StatementCheck;
use crate::effects::effects;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "reindex-not-concurrent",
    source: include_str!("reindex_not_concurrent.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Reindex { what, name, concurrently: false } = &check.stmt.kind else { return };
    let locked = effects(check.stmt, check.schema, check.settings.postgres).locks;
    let table = locked.first().map(|(table, _)| table);
    if table.is_some_and(|table| check.is_new(table)) {
        return;
    }
    let object = match name {
        Some(name) => format!("{what} CONCURRENTLY {name}"),
        None => format!("{what} CONCURRENTLY"),
    };
    let help = format!(
        "rebuild it concurrently, in its own migration:\n-- refit: transaction = false\nREINDEX {object};"
    );
    let (message, locked) = match (what.as_str(), name, table) {
        ("INDEX" | "TABLE", Some(_), Some(table)) => (
            format!(
                "writes to {table}, and reads that plan with an index being rebuilt, wait for the whole build"
            ),
            Some(table),
        ),
        _ => (
            format!(
                "REINDEX {what} blocks writes to one table after another, and reads that plan with their indexes"
            ),
            None,
        ),
    };
    let report = check.report(message);
    report.help(help);
    if let Some(table) = locked {
        report.lock(LockMode::Share, table);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn who_waits_for_a_rebuild() {
        fires(
            "reindex-not-concurrent",
            &[
                "REINDEX INDEX posts_author_id_idx;",
                "REINDEX TABLE posts;",
                "REINDEX (VERBOSE) TABLE unknown;",
                "-- refit: transaction = false\nREINDEX SCHEMA public;",
            ],
        );
        silent(
            "reindex-not-concurrent",
            &[
                "-- refit: transaction = false\nREINDEX INDEX CONCURRENTLY posts_author_id_idx;",
                "-- refit: transaction = false\nREINDEX (CONCURRENTLY) TABLE posts;",
                "CREATE TABLE t (a int PRIMARY KEY); REINDEX TABLE t;",
            ],
        );
    }
}

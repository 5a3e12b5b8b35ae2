//! # CONCURRENTLY fails in a transaction
//!
//! CREATE INDEX, DROP INDEX, REINDEX and DETACH PARTITION with CONCURRENTLY wait for other transactions and commit
//! several times while they run. PostgreSQL refuses them in a transaction block, in a function and in a DO block:
//! 25001, "cannot run inside a transaction block". Every migration is one transaction unless it has
//! `transaction = false`.
//!
//! REFRESH MATERIALIZED VIEW CONCURRENTLY is an exception: it can run in a transaction.
//!
//! Lock: none, the statement fails. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! CREATE INDEX CONCURRENTLY posts_status_idx ON posts (status);
//! ```
//!
//! ```toml,claim
//! error = "25001"
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! CREATE INDEX CONCURRENTLY posts_status_idx ON posts (status);
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "concurrently-in-transaction",
    source: include_str!("concurrently_in_transaction.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some(statement) = concurrent(&check.stmt.kind) else { return };
    if check.in_body {
        check
            .report(format!("{statement} fails in a DO block or function (25001)"))
            .help("write it as a separate statement, in a migration with:\n-- refit: transaction = false");
    } else if check.window.in_transaction {
        let inside = match check.file.directives.transaction {
            true => "a migration is one transaction by default",
            false => "the file itself opens a transaction before it",
        };
        let written = check.written(check.stmt.span).unwrap_or_default();
        check
            .report(format!("{statement} fails in a transaction (25001): {inside}"))
            .help(format!("put it in its own migration:\n-- refit: transaction = false\n{written};"));
    }
}

fn concurrent(kind: &StmtKind) -> Option<&'static str> {
    match kind {
        StmtKind::CreateIndex(index) if index.concurrently => Some("CREATE INDEX CONCURRENTLY"),
        StmtKind::Drop { what, concurrently: true, .. } if what == "INDEX" => Some("DROP INDEX CONCURRENTLY"),
        StmtKind::Reindex { concurrently: true, .. } => Some("REINDEX CONCURRENTLY"),
        StmtKind::Alter { actions, .. } => actions
            .iter()
            .any(|(_, action)| matches!(action, AlterAction::DetachPartition { concurrently: true, .. }))
            .then_some("DETACH PARTITION CONCURRENTLY"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn where_concurrently_fails() {
        fires(
            "concurrently-in-transaction",
            &[
                "CREATE INDEX CONCURRENTLY i ON posts (status);",
                "DROP INDEX CONCURRENTLY posts_author_id_idx;",
                "REINDEX TABLE CONCURRENTLY posts;",
                "ALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY;",
                "-- refit: transaction = false\nBEGIN;\n-- the index\nCREATE INDEX CONCURRENTLY i ON posts (status);\nCOMMIT;",
                "-- refit: transaction = false\nDO $$ BEGIN EXECUTE 'CREATE INDEX CONCURRENTLY i ON posts (status)'; END $$;",
            ],
        );
        silent(
            "concurrently-in-transaction",
            &[
                "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY i ON posts (status);",
                "-- refit: transaction = false\nBEGIN; SELECT 1; COMMIT; DROP INDEX CONCURRENTLY i;",
                "REFRESH MATERIALIZED VIEW CONCURRENTLY post_counts;",
                "CREATE INDEX i ON posts (status);",
            ],
        );
    }
}

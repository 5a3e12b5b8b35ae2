//! # VACUUM FULL, CLUSTER and other statements that rewrite the table
//!
//! VACUUM FULL, CLUSTER, SET LOGGED, SET UNLOGGED, SET TABLESPACE, SET ACCESS METHOD and SET EXPRESSION of a stored
//! column take ACCESS EXCLUSIVE, copy the whole table and rebuild all of its indexes while they hold the lock. Reads
//! and writes wait until they are done, and the table needs twice its disk space.
//!
//! Use plain VACUUM and REINDEX CONCURRENTLY against bloat and, in bad cases, the extension pg_repack, which copies the
//! table while it stays in use. For another tablespace or access method, create a new table and move the rows in
//! batches.
//!
//! Not reported: SET TABLESPACE of a partitioned table, which has no rows of its own and only sets the tablespace of
//! new partitions. SET EXPRESSION exists since PostgreSQL 17; a virtual column (18) is not rewritten.
//!
//! Lock: ACCESS EXCLUSIVE on the table, for the whole copy. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! CLUSTER posts USING posts_author_id_idx;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! rewrite = true
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! VACUUM posts;
//! REINDEX INDEX CONCURRENTLY posts_author_id_idx;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, AlterTarget, ColumnChange, Generated, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "table-rewrite",
    source: include_str!("table_rewrite.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    match &check.stmt.kind {
        StmtKind::Vacuum { full: true, tables } if tables.is_empty() => all(check, "VACUUM FULL"),
        StmtKind::Vacuum { full: true, tables } => {
            tables.iter().for_each(|table| one(check, table, "VACUUM FULL", &vacuum(table)));
        }
        StmtKind::Cluster { table: None } => all(check, "CLUSTER"),
        StmtKind::Cluster { table: Some(table) } => one(check, table, "CLUSTER", &vacuum(table)),
        StmtKind::Alter { target, table, actions } => {
            for (_, action) in actions {
                alter(check, *target, table, action);
            }
        }
        _ => {}
    }
}

fn alter(check: &mut StatementCheck<'_>, target: AlterTarget, table: &Name, action: &AlterAction) {
    let what = match action {
        AlterAction::SetLogged(true) => "SET LOGGED",
        AlterAction::SetLogged(false) => "SET UNLOGGED",
        AlterAction::SetTablespace => "SET TABLESPACE",
        AlterAction::SetAccessMethod => "SET ACCESS METHOD",
        AlterAction::AlterColumn { column, change: ColumnChange::SetExpression } => {
            let known = check.schema.column(table, column).and_then(|known| known.generated);
            if known == Some(Generated::Virtual) {
                return;
            }
            "SET EXPRESSION"
        }
        _ => return,
    };
    match target {
        AlterTarget::Table | AlterTarget::MaterializedView if !check.schema.is_partitioned(table) => {
            let help = "create a new table beside the old one, and move the rows in batches".to_owned();
            one(check, table, what, &help);
        }
        AlterTarget::Index if !is_of_new_table(check, table) => {
            let message = format!(
                "{what} copies {table}, and queries that plan with it wait until the transaction ends"
            );
            check
                .report(message)
                .lock(LockMode::AccessExclusive, table)
                .help("build another index there concurrently, then drop the old one concurrently");
        }
        _ => {}
    }
}

fn is_of_new_table(check: &StatementCheck<'_>, index: &Name) -> bool {
    let known = check.schema.indexes.get(&index.key());
    known.is_some_and(|known| check.is_new(&Name::of_key(&known.table, index.span)))
}

fn one(check: &mut StatementCheck<'_>, table: &Name, what: &str, help: &str) {
    if !check.is_new(table) {
        let message = format!(
            "{what} rewrites {table} and its indexes while reads and writes wait until the transaction ends"
        );
        check.report(message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

fn all(check: &mut StatementCheck<'_>, what: &str) {
    check
        .report(format!("{what} rewrites one table after another while reads and writes of each wait"))
        .help("leave it to autovacuum, or name only the table that needs it:\n-- refit: transaction = false\nVACUUM …;");
}

fn vacuum(table: &Name) -> String {
    format!(
        "plain VACUUM makes the space reusable and blocks neither reads nor writes:\n-- refit: transaction = false\nVACUUM {table};"
    )
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_copies_a_table() {
        fires(
            "table-rewrite",
            &[
                "-- refit: transaction = false\nVACUUM FULL posts;",
                "-- refit: transaction = false\nVACUUM (FULL, VERBOSE) posts, authors;",
                "CLUSTER orders USING i1;",
                "-- refit: transaction = false\nCLUSTER;",
                "ALTER TABLE orders SET UNLOGGED;",
                "ALTER TABLE orders SET LOGGED;",
                "ALTER TABLE posts SET TABLESPACE fast;",
                "ALTER TABLE posts SET ACCESS METHOD heap2;",
                "ALTER INDEX posts_author_id_idx SET TABLESPACE fast;",
                "ALTER TABLE posts ALTER COLUMN total SET EXPRESSION AS (score * 2);",
            ],
        );
        silent(
            "table-rewrite",
            &[
                "-- refit: transaction = false\nVACUUM posts;",
                "ALTER TABLE posts CLUSTER ON posts_author_id_idx;",
                "ALTER TABLE posts SET (fillfactor = 70);",
                "ALTER TABLE events SET TABLESPACE fast;",
                "CREATE UNLOGGED TABLE t (a int); ALTER TABLE t SET LOGGED;",
                "CREATE TABLE t (a int); CREATE INDEX i ON t (a); ALTER INDEX i SET TABLESPACE fast;",
            ],
        );
    }
}

//! # DROP INDEX waits for running queries and blocks later ones
//!
//! DROP INDEX takes ACCESS EXCLUSIVE on the index and on its table. The drop itself is quick, but getting the lock is
//! not: it waits for the longest query on the table, and every later query, including reads, waits behind it until the
//! transaction ends. DROP INDEX CONCURRENTLY takes SHARE UPDATE EXCLUSIVE and blocks no query while it waits. It drops
//! one index at a time, does not support CASCADE, and cannot run in a transaction.
//!
//! An index of a partitioned table cannot be dropped concurrently (0A000). There, the lock on the parent and on all
//! partitions cannot be avoided, and the rule does not report it.
//!
//! Lock: ACCESS EXCLUSIVE on the table, until commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! DROP INDEX posts_author_id_idx;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! DROP INDEX CONCURRENTLY posts_author_id_idx;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "drop-index-not-concurrent",
    source: include_str!("drop_index_not_concurrent.rs"),
    severity: Some(Severity::Warning),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Drop { what, names, concurrently, .. } = &check.stmt.kind else { return };
    if what != "INDEX" {
        return;
    }
    for index in names {
        let known = check.schema.indexes.get(&index.key());
        let table = known.map(|known| Name::of_key(&known.table, index.span));
        let partitioned = table.as_ref().is_some_and(|table| check.schema.is_partitioned(table));
        if table.as_ref().is_some_and(|table| check.is_new(table)) || partitioned != *concurrently {
            continue;
        }
        let on = table.as_ref().map_or("its table".to_owned(), Name::to_string);
        if partitioned {
            check
                .report(format!("{on} is partitioned: DROP INDEX CONCURRENTLY fails on {index} (0A000)"))
                .help(format!(
                    "drop it without CONCURRENTLY; lock_timeout limits the wait:\nDROP INDEX {index};"
                ));
            continue;
        }
        let help = format!(
            "drop it concurrently, in its own migration:\n\
             -- refit: transaction = false\n\
             DROP INDEX CONCURRENTLY {index};"
        );
        let report = check.report(format!(
            "reads and writes of {on} wait until DROP INDEX gets its lock and the transaction ends"
        ));
        report.lock(LockMode::AccessExclusive, table.as_ref().unwrap_or(index)).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn who_waits_for_a_drop() {
        fires(
            "drop-index-not-concurrent",
            &[
                "DROP INDEX posts_author_id_idx;",
                "DROP INDEX IF EXISTS public.unknown_idx;",
                "-- refit: transaction = false\nDROP INDEX a, b;",
                "CREATE INDEX i ON ONLY events (note);\n-- file: V2__x.sql\n-- refit: transaction = false\nDROP INDEX CONCURRENTLY i;",
            ],
        );
        silent(
            "drop-index-not-concurrent",
            &[
                "-- refit: transaction = false\nDROP INDEX CONCURRENTLY posts_author_id_idx;",
                "CREATE TABLE t (a int); CREATE INDEX i ON t (a); DROP INDEX i;",
                "CREATE INDEX i ON ONLY events (note);\n-- file: V2__x.sql\nDROP INDEX i;",
                "DROP TABLE posts;",
            ],
        );
    }
}

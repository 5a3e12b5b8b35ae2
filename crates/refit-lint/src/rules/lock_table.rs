//! # LOCK TABLE in a mode that blocks others
//!
//! LOCK TABLE in SHARE mode or stronger blocks every write to the table until the transaction ends; in ACCESS EXCLUSIVE
//! mode, the default, it blocks every read too. It first waits for the longest transaction on the table, and every
//! later query waits behind it. A migration rarely needs it: each statement takes the lock that it needs, and batched
//! changes lock the rows that they change.
//!
//! Modes below SHARE block at most other migrations and VACUUM, and are not reported. Refit's own advisory lock keeps
//! two migrations from running at the same time.
//!
//! Lock: the requested one, until commit. Outside a transaction the statement fails (25P01). PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! LOCK TABLE posts IN ACCESS EXCLUSIVE MODE;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! SELECT id FROM posts WHERE id = 17 FOR UPDATE;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "lock-table",
    source: include_str!("lock_table.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Lock { tables, mode } = &check.stmt.kind else { return };
    let mode = LockMode::parse(mode).unwrap_or(LockMode::AccessExclusive);
    if !mode.stops_writes() {
        return;
    }
    for table in tables {
        if check.is_new(table) {
            continue;
        }
        let who = if mode.stops_reads() { "reads and writes" } else { "writes" };
        check
            .report(format!("{who} of {table} wait until LOCK TABLE gets its lock and the transaction ends"))
            .lock(mode, table)
            .help(format!(
                "remove it: each statement takes the lock that it needs; to keep rows unchanged, lock only those:\n\
                 SELECT … FROM {table} WHERE id = … FOR UPDATE;"
            ));
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fired, fires, silent};

    #[test]
    fn modes_that_stop_others() {
        fires(
            "lock-table",
            &[
                "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;",
                "LOCK orders;",
                "LOCK TABLE ONLY posts, authors IN SHARE MODE NOWAIT;",
                "DO $$ BEGIN LOCK TABLE posts; END $$;",
            ],
        );
        silent(
            "lock-table",
            &[
                "LOCK TABLE posts IN ROW EXCLUSIVE MODE;",
                "LOCK TABLE posts IN SHARE UPDATE EXCLUSIVE MODE;",
                "CREATE TABLE t (a int); LOCK TABLE t;",
            ],
        );
        assert_eq!(fired("LOCK TABLE posts, authors;", ""), ["lock-table"]);
    }
}

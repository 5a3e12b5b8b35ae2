//! # TRUNCATE deletes every row and blocks reads and writes
//!
//! TRUNCATE removes all rows at once: no WHERE, no row triggers, no undo. With CASCADE it also empties every table that
//! references this one, directly or indirectly, without naming it.
//!
//! Not reported: a table that the same migration created; and a migration with `-- refit: phase = "contract"` that
//! gives a reason, in a comment of at least three words above its first statement or in its `.md` file. If a release
//! may still need some of the rows, delete the others in batches.
//!
//! Lock: ACCESS EXCLUSIVE until commit, which blocks reads too: a moment for TRUNCATE itself, plus the time of later
//! statements in the same transaction. The table gets a new data file. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! TRUNCATE posts_archive;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts_archive"
//! ```
//!
//! ```sql,safe
//! -- refit: backfill = { table = "posts_archive", key = ["id"], batch = 10000 }
//! DELETE FROM posts_archive WHERE id > $1 AND id <= $2;
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "truncate",
    source: include_str!("truncate.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str =
    "delete in batches with a backfill; or, if the rows are not needed, truncate it in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Truncate { tables, cascade } = &check.stmt.kind else { return };
    for table in tables {
        if is_meant(check, Some(table)) {
            continue;
        }
        let rest = match cascade {
            true => ", and those of every table that references it",
            false => "",
        };
        let help = contract(check, FIRST, &as_written(check, || format!("TRUNCATE {table}")));
        check
            .report(format!("this deletes all rows of {table}{rest}; reads and writes wait until commit"))
            .lock(LockMode::AccessExclusive, table)
            .help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn tables_with_rows() {
        fires(
            "truncate",
            &[
                "TRUNCATE posts;",
                "TRUNCATE TABLE ONLY unknown, posts RESTART IDENTITY CASCADE;",
                "DO $$ BEGIN TRUNCATE posts; END $$;",
            ],
        );
        silent(
            "truncate",
            &[
                "CREATE TABLE t (a int); TRUNCATE t;",
                "CREATE TEMPORARY TABLE t (a int); TRUNCATE t;",
                "DO $$ BEGIN CREATE TEMP TABLE t (a int); TRUNCATE t; END $$;",
                "-- refit: phase = \"contract\"\n-- Nobody wants them.\nTRUNCATE posts;",
            ],
        );
    }
}

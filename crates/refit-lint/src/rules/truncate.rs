//! # TRUNCATE: every row is gone, and everybody waits
//!
//! TRUNCATE removes all rows without looking at them: no WHERE, no row triggers, no undo. With CASCADE it also empties every
//! table that refers to this one, however far away, without naming it.
//!
//! Silent on a table that the same migration created, and in a migration that carries `-- refit: phase = "contract"` and
//! says why, in a comment of at least three words above its first statement or in a `.md` beside it. Rows that some release
//! may still want are deleted in batches, and can be chosen.
//!
//! Lock: ACCESS EXCLUSIVE until commit, readers included: for an instant by itself, for all that follows in the same
//! transaction. The table's file is a new one. PostgreSQL 14 to 18.
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
    "delete in batches by a backfill; or, if the rows are not needed, in a migration that says so:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Truncate { tables, cascade } = &check.stmt.kind else { return };
    for table in tables {
        if is_meant(check, Some(table)) {
            continue;
        }
        let rest = match cascade {
            true => ", and so are those of every table that refers to it",
            false => "",
        };
        let help = contract(check, FIRST, &as_written(check, || format!("TRUNCATE {table}")));
        check
            .report(format!("all rows of {table} are gone{rest}; readers and writers wait until commit"))
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

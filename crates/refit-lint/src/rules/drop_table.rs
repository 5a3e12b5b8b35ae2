//! # DROP TABLE breaks code that uses the table, and deletes its rows
//!
//! Every running release that uses the table fails with 42P01 as soon as this commits, and no undo brings the rows
//! back. With CASCADE, views, foreign keys and everything else that depends on it are dropped too, without being named.
//!
//! Make it the last step of a change. Not reported: a migration with `-- refit: phase = "contract"` that gives a
//! reason, in a comment of at least three words above its first statement or in its `.md` file; and a table that the
//! same migration created, such as a temporary or helper table. To keep a copy, run `cargo xtask export` first.
//!
//! Lock: ACCESS EXCLUSIVE on the table, and on each table that it references by a foreign key, until commit. If one of
//! these is busy, the DROP waits, and every later query waits behind it. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! DROP TABLE posts_archive;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts_archive"
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- The archive moved to object storage in release 2.0; nothing has read it since.
//! DROP TABLE posts_archive;
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "drop-table",
    source: include_str!("drop_table.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str = "first deploy a release that does not use it; once no older release runs, drop it in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Drop { what, names, cascade, .. } = &check.stmt.kind else { return };
    if what != "TABLE" {
        return;
    }
    for table in names {
        if is_meant(check, Some(table)) {
            continue;
        }
        let rest = match cascade {
            true => ", and CASCADE drops everything that depends on it",
            false => "",
        };
        let help = contract(check, FIRST, &as_written(check, || format!("DROP TABLE {table}")));
        check
            .report(format!(
                "{table} and its rows are deleted immediately: every running release that uses it fails{rest}"
            ))
            .lock(LockMode::AccessExclusive, table)
            .help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn tables_that_others_know() {
        fires(
            "drop-table",
            &[
                "DROP TABLE posts;",
                "DROP TABLE IF EXISTS unknown CASCADE;",
                "CREATE TABLE t (a int); DROP TABLE t, posts;",
                "CREATE TABLE IF NOT EXISTS t (a int); DROP TABLE t;",
                "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE posts'; SELECT f();",
            ],
        );
        silent(
            "drop-table",
            &[
                "CREATE TABLE t (a int); DROP TABLE public.t;",
                "CREATE TEMP TABLE t AS SELECT 1; DROP TABLE t;",
                "DROP VIEW v;",
                "-- refit: phase = \"contract\"\n-- Nobody reads it.\nDROP TABLE posts;",
            ],
        );
    }
}

//! # DROP TABLE: code that reads the table fails, and its rows are gone
//!
//! Every running release that names the table fails with 42P01 from that moment on, and no undo brings the rows back. With
//! CASCADE, views, foreign keys and everything else that depends on it go too, without being named.
//!
//! So it is the last step of a change. This rule is silent in a migration that carries `-- refit: phase = "contract"` and
//! says why, in a comment of at least three words above its first statement or in a `.md` beside it, and on a table that the
//! same migration created (a temporary one, or one that only helped). A backup before it is one command:
//! `cargo xtask export`.
//!
//! Lock: ACCESS EXCLUSIVE on the table, and on each table that it refers to by a foreign key, until commit: where that
//! one is busy, the DROP waits, and everybody behind it. PostgreSQL 14 to 18.
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

const FIRST: &str =
    "first a release that does not use it; then, when no older one runs, a migration that says so:";

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
            true => ", and CASCADE takes whatever depends on it",
            false => "",
        };
        let help = contract(check, FIRST, &as_written(check, || format!("DROP TABLE {table}")));
        check
            .report(format!(
                "{table} and its rows are gone at once: every running release that names it fails{rest}"
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

//! # CHECK that is validated immediately
//!
//! ADD CONSTRAINT … CHECK takes ACCESS EXCLUSIVE and holds it while it reads the whole table: reads and writes wait
//! until the end of the transaction.
//!
//! NOT VALID skips the scan: the lock lasts a moment, and new rows are checked from then on. VALIDATE CONSTRAINT, in a
//! later migration, reads the existing rows under SHARE UPDATE EXCLUSIVE, which blocks neither reads nor writes.
//!
//! Lock: ACCESS EXCLUSIVE on the table, for the whole scan. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0);
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0) NOT VALID;
//! -- file: V2__validate_posts_score_check.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_score_check;
//! ```

use super::constraints::{added, in_two_steps};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::ConstraintKind;

pub(super) const RULE: Rule = Rule {
    name: "check-validated",
    source: include_str!("check_validated.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, span, constraint) in added(check) {
        if constraint.not_valid || !matches!(constraint.kind, ConstraintKind::Check(_)) {
            continue;
        }
        let help = in_two_steps(check, (table, span, constraint), "CHECK (…)");
        let message =
            format!("reads and writes of {table} wait until every row is read and the transaction ends");
        check.report_at(span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn checks_that_look_at_rows() {
        fires(
            "check-validated",
            &[
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0);",
                "ALTER TABLE unknown ADD CHECK (a > 0);",
                "ALTER TABLE posts ADD COLUMN n int, ADD CONSTRAINT c CHECK (n > 0);",
                "DO $$ BEGIN EXECUTE 'ALTER TABLE posts ADD CHECK (score >= 0)'; END $$;",
            ],
        );
        silent(
            "check-validated",
            &[
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0) NOT VALID;",
                "CREATE TABLE t (a int CHECK (a > 0)); ALTER TABLE t ADD CHECK (a < 9);",
                "ALTER FOREIGN TABLE f ADD CONSTRAINT c CHECK (a > 0);",
            ],
        );
    }
}

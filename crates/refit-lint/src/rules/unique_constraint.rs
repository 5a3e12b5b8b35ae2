//! # UNIQUE constraint that builds its index under the lock
//!
//! ADD CONSTRAINT … UNIQUE takes ACCESS EXCLUSIVE and builds a unique index over the whole table while it holds the
//! lock: reads and writes wait until the end of the transaction. A unique index built CONCURRENTLY blocks neither reads
//! nor writes, and ADD CONSTRAINT … UNIQUE USING INDEX makes it the constraint in a moment; the index takes the
//! constraint's name.
//!
//! If no foreign key references the columns, the unique index alone is enough.
//!
//! Lock: ACCESS EXCLUSIVE on the table, for the whole build. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD CONSTRAINT posts_slug_key UNIQUE (slug);
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! CREATE UNIQUE INDEX CONCURRENTLY posts_slug_key ON posts (slug);
//! -- file: V2__posts_slug_key.sql
//! ALTER TABLE posts ADD CONSTRAINT posts_slug_key UNIQUE USING INDEX posts_slug_key;
//! ```

use super::constraints::{added, over_an_index};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::ConstraintKind;

pub(super) const RULE: Rule = Rule {
    name: "unique-constraint",
    source: include_str!("unique_constraint.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, span, constraint) in added(check) {
        let ConstraintKind::Unique { columns, using_index: None } = &constraint.kind else { continue };
        let message = format!(
            "reads and writes of {table} wait until the unique index is built and the transaction ends"
        );
        let help = over_an_index(table, constraint, "UNIQUE", columns);
        check.report_at(span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn constraints_that_build() {
        fires(
            "unique-constraint",
            &[
                "ALTER TABLE posts ADD CONSTRAINT u UNIQUE (slug);",
                "ALTER TABLE unknown ADD UNIQUE (a, b);",
                "ALTER TABLE posts DROP CONSTRAINT a, ADD UNIQUE NULLS NOT DISTINCT (slug);",
            ],
        );
        silent(
            "unique-constraint",
            &[
                "ALTER TABLE orders ADD CONSTRAINT u1 UNIQUE USING INDEX u1_idx;",
                "CREATE TABLE t (a int, UNIQUE (a)); ALTER TABLE t ADD UNIQUE (a);",
            ],
        );
    }
}

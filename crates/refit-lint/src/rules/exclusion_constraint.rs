//! # EXCLUDE constraint on an existing table
//!
//! ADD CONSTRAINT … EXCLUDE takes ACCESS EXCLUSIVE and holds it while it builds an index over the whole table and
//! compares every row: reads and writes wait until the end of the transaction. PostgreSQL has no weaker form: neither
//! NOT VALID nor USING INDEX.
//!
//! Alternatives: add it to a new table and move the rows there in batches; if it compares only for equality, use a
//! UNIQUE constraint over a unique index that was built concurrently; or run it when waiting is acceptable, with
//! `manual = true` and a suppression with a reason.
//!
//! Lock: ACCESS EXCLUSIVE on the table, for the whole build. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD CONSTRAINT posts_slug_excl EXCLUDE (slug WITH =);
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! CREATE TABLE bookings (
//!     id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//!     during tstzrange NOT NULL,
//!     EXCLUDE USING gist (during WITH &&)
//! );
//! ```

use super::constraints::added;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{ConstraintKind, Name};

pub(super) const RULE: Rule = Rule {
    name: "exclusion-constraint",
    source: include_str!("exclusion_constraint.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, span, constraint) in added(check) {
        if !matches!(constraint.kind, ConstraintKind::Exclude) {
            continue;
        }
        let action = check.written(span).unwrap_or("ADD EXCLUDE …");
        let new = Name { name: format!("{}_new", table.name), ..table.clone() };
        let help = format!(
            "add it to a new table and move the rows there in batches; an existing table would be locked:\n\
             CREATE TABLE {new} (LIKE {table} INCLUDING ALL);\n\
             ALTER TABLE {new} {action};"
        );
        let message = format!(
            "reads and writes of {table} wait until its index is built, every row is compared and the transaction ends"
        );
        check.report_at(span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn constraints_that_compare() {
        fires(
            "exclusion-constraint",
            &["ALTER TABLE unknown ADD CONSTRAINT e EXCLUDE USING gist (during WITH &&);"],
        );
        silent(
            "exclusion-constraint",
            &["CREATE TABLE t (during tstzrange); ALTER TABLE t ADD EXCLUDE USING gist (during WITH &&);"],
        );
    }
}

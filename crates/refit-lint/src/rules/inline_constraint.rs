//! # ADD COLUMN with a constraint that is validated immediately
//!
//! A constraint on a new column is created with it and cannot be NOT VALID. Under ACCESS EXCLUSIVE, a CHECK reads the
//! whole table, although the column is NULL in every row, and UNIQUE and PRIMARY KEY build an index. REFERENCES reads
//! nothing if the column is empty, but it also blocks writes to the other table until the transaction ends.
//!
//! Not reported: NOT NULL, which has its own rules, and REFERENCES to a table that this migration created.
//!
//! Lock: ACCESS EXCLUSIVE on the table until the transaction ends; REFERENCES also takes SHARE ROW EXCLUSIVE on the
//! referenced table. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN rating integer CHECK (rating > 0);
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN isbn text UNIQUE;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN reviewer_id bigint REFERENCES authors (id);
//! ```
//!
//! ```toml,claim
//! lock = "SHARE ROW EXCLUSIVE"
//! table = "authors"
//! scan = false
//! ```
//!
//! Add each in its own step:
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN rating integer;
//! ALTER TABLE posts ADD CONSTRAINT posts_rating_check CHECK (rating > 0) NOT VALID;
//! -- file: V2__validate_rating.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_rating_check;
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN isbn text;
//! -- file: V2__isbn_index.sql
//! -- refit: transaction = false
//! CREATE UNIQUE INDEX CONCURRENTLY posts_isbn_key ON posts (isbn);
//! -- file: V3__isbn_unique.sql
//! ALTER TABLE posts ADD CONSTRAINT posts_isbn_key UNIQUE USING INDEX posts_isbn_key;
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN reviewer_id bigint;
//! -- file: V2__reviewer.sql
//! ALTER TABLE posts ADD CONSTRAINT posts_reviewer_id_fkey FOREIGN KEY (reviewer_id) REFERENCES authors (id) NOT VALID;
//! -- file: V3__validate_reviewer.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_reviewer_id_fkey;
//! ```

use super::added_column::{added_columns, type_of};
use super::quoted;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Column, Constraint, ConstraintKind, Name};

pub(super) const RULE: Rule = Rule {
    name: "inline-constraint",
    source: include_str!("inline_constraint.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, column) in added_columns(check) {
        for constraint in &column.constraints {
            let Some((message, lock, locked)) = hazard(check, table, constraint) else { continue };
            let help = help(table, column, constraint);
            check.report_at(constraint.span, message).lock(lock, locked).help(help);
        }
    }
}

/// What waits for the constraint, and the lock that makes it wait.
fn hazard<'a>(
    check: &StatementCheck<'_>,
    table: &'a Name,
    constraint: &'a Constraint,
) -> Option<(String, LockMode, &'a Name)> {
    let message = match &constraint.kind {
        ConstraintKind::Check(_) => format!("CHECK reads all of {table} while reads and writes of it wait"),
        ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } => {
            format!("an index is built on {table} while reads and writes of it wait")
        }
        ConstraintKind::ForeignKey { table: referenced, .. } if !check.is_new(referenced) => {
            let message = format!(
                "writes to {referenced} and reads and writes of {table} wait until the transaction ends: REFERENCES \
                 locks both"
            );
            return Some((message, LockMode::ShareRowExclusive, referenced));
        }
        _ => return None,
    };
    Some((message, LockMode::AccessExclusive, table))
}

fn help(table: &Name, column: &Column, constraint: &Constraint) -> String {
    let (name, data_type, bare) = (quoted(&column.name), type_of(column), &table.name);
    let add =
        format!("add the column, then the constraint:\nALTER TABLE {table} ADD COLUMN {name} {data_type};\n");
    let own = |suffix: &str| {
        quoted(&constraint.name.clone().unwrap_or_else(|| format!("{bare}_{}_{suffix}", column.name)))
    };
    let not_valid = |own: &str, what: &str| {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT {own} {what} NOT VALID;\n\
             -- in the next migration\n\
             ALTER TABLE {table} VALIDATE CONSTRAINT {own};"
        )
    };
    let steps = match &constraint.kind {
        ConstraintKind::Check(_) => not_valid(&own("check"), "CHECK (…)"),
        ConstraintKind::ForeignKey { table: referenced, .. } => {
            not_valid(&own("fkey"), &format!("FOREIGN KEY ({name}) REFERENCES {referenced}"))
        }
        kind => {
            let primary = matches!(kind, ConstraintKind::PrimaryKey { .. });
            let (own, what) = if primary {
                (quoted(&format!("{bare}_pkey")), "PRIMARY KEY")
            } else {
                (own("key"), "UNIQUE")
            };
            format!(
                "-- in the next migration\n\
                 -- refit: transaction = false\n\
                 CREATE UNIQUE INDEX CONCURRENTLY {own} ON {table} ({name});\n\
                 -- in the one after\n\
                 ALTER TABLE {table} ADD CONSTRAINT {own} {what} USING INDEX {own};"
            )
        }
    };
    add + &steps
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn constraints_behind_columns() {
        fires(
            "inline-constraint",
            &[
                "ALTER TABLE posts ADD COLUMN a int CHECK (a > 0);",
                "ALTER TABLE posts ADD COLUMN a text UNIQUE;",
                "ALTER TABLE unknown ADD COLUMN a int PRIMARY KEY;",
                "ALTER TABLE posts ADD COLUMN a bigint REFERENCES authors;",
                "ALTER TABLE posts ADD COLUMN a bigint CONSTRAINT c REFERENCES public.authors (id) ON DELETE CASCADE;",
            ],
        );
        silent(
            "inline-constraint",
            &[
                "ALTER TABLE posts ADD COLUMN a int NOT NULL DEFAULT 1;",
                "CREATE TABLE t (a int UNIQUE CHECK (a > 0) REFERENCES authors);",
                "CREATE TABLE t (a bigint PRIMARY KEY);\nALTER TABLE posts ADD COLUMN t_id bigint REFERENCES t;",
                "CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN b int UNIQUE;",
            ],
        );
    }
}

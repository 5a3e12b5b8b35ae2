//! # PRIMARY KEY that builds its index or scans under the lock
//!
//! ADD PRIMARY KEY takes ACCESS EXCLUSIVE, builds a unique index over the whole table and makes its columns NOT NULL,
//! for which it reads the table again: reads and writes wait until the end of the transaction.
//!
//! A unique index built CONCURRENTLY blocks neither reads nor writes, and ADD CONSTRAINT … PRIMARY KEY USING INDEX then
//! adds the key. This takes a moment if the columns are already NOT NULL, or a validated CHECK (… IS NOT NULL) proves
//! it. If not, the table is still scanned under ACCESS EXCLUSIVE; the rule reports this if the set shows that a column
//! is nullable.
//!
//! Lock: ACCESS EXCLUSIVE on the table, for the whole build. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE events_2026 ADD CONSTRAINT events_2026_pkey PRIMARY KEY (id);
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "events_2026"
//! scan = true
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! CREATE UNIQUE INDEX CONCURRENTLY events_2026_pkey ON events_2026 (id);
//! -- file: V2__primary_key.sql
//! ALTER TABLE events_2026 ADD CONSTRAINT events_2026_pkey PRIMARY KEY USING INDEX events_2026_pkey;
//! ```

use super::constraints::{added, over_an_index};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{ConstraintKind, Name};

pub(super) const RULE: Rule = Rule {
    name: "primary-key-constraint",
    source: include_str!("primary_key_constraint.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, span, constraint) in added(check) {
        let ConstraintKind::PrimaryKey { columns, using_index } = &constraint.kind else { continue };
        let (message, help) = match using_index {
            None => (
                format!(
                    "reads and writes of {table} wait until the primary key's index is built and the transaction ends"
                ),
                over_an_index(table, constraint, "PRIMARY KEY", columns),
            ),
            Some(index) => {
                let Some(column) = nullable(check, table, index) else { continue };
                let (name, own) = (super::quoted(&format!("{column}_not_null")), super::quoted(&column));
                let help = format!(
                    "prove that it is not null first, and drop the CHECK afterwards:\n\
                     ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({own} IS NOT NULL) NOT VALID;\n\
                     -- a later migration:\n\
                     ALTER TABLE {table} VALIDATE CONSTRAINT {name};"
                );
                (
                    format!(
                        "{column} is nullable, so every row of {table} is read while reads and writes wait"
                    ),
                    help,
                )
            }
        };
        check.report_at(span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

/// A column of the index that the set shows to be nullable.
fn nullable(check: &StatementCheck<'_>, table: &Name, index: &Name) -> Option<String> {
    let known = check.schema.table(table).filter(|known| known.complete)?;
    let index = check.schema.indexes.get(&Name { schema: table.schema.clone(), ..index.clone() }.key())?;
    let columns = index.columns.iter().flatten();
    columns
        .filter(|column| {
            known.columns.get(column.as_str()).is_some_and(|known| !known.not_null)
                && !check.schema.proves_not_null(table, column)
        })
        .map(String::clone)
        .next()
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    const INDEX: &str = "-- refit: transaction = false\nCREATE UNIQUE INDEX CONCURRENTLY i ON posts";

    #[test]
    fn keys_that_build_or_scan() {
        let nullable = format!(
            "{INDEX} (code);\n-- file: V2__x.sql\nALTER TABLE posts ADD CONSTRAINT p PRIMARY KEY USING INDEX i;"
        );
        let proven = format!(
            "{INDEX} (code);\n-- file: V2__x.sql\nALTER TABLE posts ADD CONSTRAINT n CHECK (code IS NOT NULL) NOT VALID;\n\
             -- file: V3__x.sql\nALTER TABLE posts VALIDATE CONSTRAINT n;\n\
             -- file: V4__x.sql\nALTER TABLE posts ADD CONSTRAINT p PRIMARY KEY USING INDEX i;"
        );
        let not_null = format!(
            "{INDEX} (slug);\n-- file: V2__x.sql\nALTER TABLE posts ADD CONSTRAINT p PRIMARY KEY USING INDEX i;"
        );
        fires(
            "primary-key-constraint",
            &[
                "ALTER TABLE unknown ADD PRIMARY KEY (id);",
                "ALTER TABLE posts ADD CONSTRAINT p PRIMARY KEY (slug);",
                &nullable,
            ],
        );
        silent(
            "primary-key-constraint",
            &[
                "ALTER TABLE unknown ADD PRIMARY KEY USING INDEX i;",
                "CREATE TABLE t (a int); ALTER TABLE t ADD PRIMARY KEY (a);",
                &proven,
                &not_null,
            ],
        );
    }
}

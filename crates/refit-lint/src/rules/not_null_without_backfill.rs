//! # ADD COLUMN NOT NULL without a value for existing rows
//!
//! The new column is NULL in every row, so the statement fails with 23502 if the table has any: it works on a
//! developer's empty database and fails in production.
//!
//! A column that is added without a default and later made NOT NULL, with no UPDATE or backfill in between, is the same
//! mistake in two statements. A CHECK validated before would fail too; backfill the column first.
//!
//! Not reported: a constant default, which costs nothing (PostgreSQL stores it in the catalog and rewrites no row), and
//! tables that this migration created. `volatile-default` covers other defaults.
//!
//! Lock: ACCESS EXCLUSIVE on the table until the transaction has failed. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN language text NOT NULL;
//! ```
//!
//! ```toml,claim
//! error = "23502"
//! ```
//!
//! If one value fits all rows, make it the default:
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN language text NOT NULL DEFAULT 'en';
//! ```
//!
//! Otherwise, add the column empty, let the new release write it, backfill existing rows, and only then make it NOT NULL:
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN language text;
//! -- file: V2__fill_language.sql
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET language = CASE WHEN author_id = 1 THEN 'fr' ELSE 'en' END
//! WHERE id > $1 AND id <= $2 AND language IS NULL;
//! -- file: V3__language_given.sql
//! -- refit: after = ["V2"]
//! ALTER TABLE posts ADD CONSTRAINT posts_language_given CHECK (language IS NOT NULL) NOT VALID;
//! -- file: V4__validate_language_given.sql
//! -- refit: after = ["V3"]
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_language_given;
//! -- file: V5__language_not_null.sql
//! -- refit: after = ["V4"]
//! ALTER TABLE posts ALTER COLUMN language SET NOT NULL;
//! ALTER TABLE posts DROP CONSTRAINT posts_language_given;
//! ```

use super::added_column::{added_columns, type_of};
use super::set_not_null_scan::{is_unfilled, scanned_column};
use crate::batches::Batches;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Column, ConstraintKind, Name};

pub(super) const RULE: Rule = Rule {
    name: "not-null-without-backfill",
    source: include_str!("not_null_without_backfill.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, column) in added_columns(check) {
        if !is_not_null(column) || column.has_values() {
            continue;
        }
        let message = format!(
            "adding {name} NOT NULL without a default fails as soon as {table} has a row",
            name = column.name,
        );
        let help = help(check, table, column);
        check.report_at(column.span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
    closings(check);
}

/// Columns that are made NOT NULL after they were added without a value.
fn closings(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    let schema = check.schema.after_drops(table, actions);
    for (span, action) in actions {
        let Some(column) = scanned_column(action).filter(|column| is_unfilled(check, table, actions, column))
        else {
            continue;
        };
        let known = schema.column(table, column).is_some_and(|known| known.not_null);
        if known || schema.proves_not_null(table, column) {
            continue;
        }
        let message = format!(
            "making {column} NOT NULL fails as soon as {table} has a row: it was added without a default, and no migration fills it"
        );
        let help = format!(
            "backfill it before it is made NOT NULL, each step in its own migration:\n{}",
            steps(check, table, column)
        );
        check.report_at(*span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

fn is_not_null(column: &Column) -> bool {
    let demands = |kind: &ConstraintKind| {
        matches!(kind, ConstraintKind::NotNull(_) | ConstraintKind::PrimaryKey { .. })
    };
    column.constraints.iter().any(|constraint| demands(&constraint.kind))
}

fn help(check: &StatementCheck<'_>, table: &Name, column: &Column) -> String {
    let (name, data_type) = (super::quoted(&column.name), type_of(column));
    format!(
        "give it a constant default, or backfill it before it is made NOT NULL, each step in its own migration:\n\
         ALTER TABLE {table} ADD COLUMN {name} {data_type};\n{}",
        steps(check, table, &column.name)
    )
}

/// The steps from an empty column to a NOT NULL column.
fn steps(check: &StatementCheck<'_>, table: &Name, name: &str) -> String {
    let given = super::quoted(&format!("{}_{name}_given", table.name));
    let name = super::quoted(name);
    let Batches { directive, range, .. } = Batches::or_by_id(check.schema, table);
    format!(
        "-- refit: backfill = {directive}\n\
         UPDATE {table} SET {name} = … WHERE {range} AND {name} IS NULL;\n\
         -- refit: after = [\"V…\"]\n\
         ALTER TABLE {table} ADD CONSTRAINT {given} CHECK ({name} IS NOT NULL) NOT VALID;\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {given};\n\
         ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;",
    )
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn columns_without_values() {
        fires(
            "not-null-without-backfill",
            &[
                "ALTER TABLE posts ADD COLUMN a text NOT NULL;",
                "ALTER TABLE public.posts ADD a int DEFAULT NULL NOT NULL;",
                "ALTER TABLE unknown ADD COLUMN IF NOT EXISTS a int NOT NULL;",
                "ALTER TABLE posts ADD COLUMN a int, ADD COLUMN b int NOT NULL;",
                "DO $$ BEGIN ALTER TABLE posts ADD COLUMN a text NOT NULL; END $$;",
                "CREATE TABLE IF NOT EXISTS t (a int);\nALTER TABLE t ADD COLUMN b int NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\nALTER TABLE posts ALTER COLUMN z SET NOT NULL;",
                "ALTER TABLE posts ALTER COLUMN z SET NOT NULL, ADD COLUMN z int;",
                "ALTER TABLE posts ADD COLUMN z int;\nALTER TABLE posts ALTER z SET DEFAULT 1;\nALTER TABLE public.posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\nUPDATE posts SET code = 'x';\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\nALTER TABLE posts ADD CONSTRAINT c NOT NULL z;",
            ],
        );
        silent(
            "not-null-without-backfill",
            &[
                "ALTER TABLE posts ADD COLUMN a text;",
                "ALTER TABLE posts ADD COLUMN a text NOT NULL DEFAULT '';",
                "ALTER TABLE posts ADD COLUMN a bigserial NOT NULL;",
                "CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN b int NOT NULL;",
                "CREATE TABLE t (a int NOT NULL);",
                "CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN b int;\n-- file: V2__n.sql\nALTER TABLE t ALTER b SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\nUPDATE posts SET z = 1;\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\nDO $$ BEGIN UPDATE posts SET z = 1; END $$;\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\nTRUNCATE posts;\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\nALTER TABLE posts ALTER z TYPE text USING 'x';\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\n-- file: V2__n.sql\nALTER TABLE public.posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int DEFAULT 0;\nALTER TABLE posts ALTER z SET NOT NULL;",
            ],
        );
    }
}

//! # ADD COLUMN NOT NULL without a value for the rows that are there
//!
//! The new column is NULL in every row, so the statement fails with 23502 as soon as the table has one: on a developer's empty
//! database it works, in production it does not.
//!
//! Silent: a constant default, which costs nothing (PostgreSQL keeps it beside the table, no row is written), and tables that
//! this migration created. Other defaults are the matter of `volatile-default`.
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
//! Where one value fits all rows, say so:
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN language text NOT NULL DEFAULT 'en';
//! ```
//!
//! Otherwise the column begins empty, the new release writes it, a backfill fills the old rows, and only then it is closed:
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
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Column, ConstraintKind, Expr, Literal, Name};

pub(super) const RULE: Rule = Rule {
    name: "not-null-without-backfill",
    source: include_str!("not_null_without_backfill.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, column) in added_columns(check) {
        if !is_not_null(column) || has_values(column) {
            continue;
        }
        let message = format!(
            "adding {name} NOT NULL without a default fails as soon as {table} has a row",
            name = column.name,
        );
        let help = help(table, column);
        check.report_at(column.span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

fn is_not_null(column: &Column) -> bool {
    let demands = |kind: &ConstraintKind| {
        matches!(kind, ConstraintKind::NotNull(_) | ConstraintKind::PrimaryKey { .. })
    };
    column.constraints.iter().any(|constraint| demands(&constraint.kind))
}

/// Whether the old rows get values: a default, a sequence, or an expression.
fn has_values(column: &Column) -> bool {
    let type_name = column.data_type.as_ref().map_or("", |kind| kind.name.as_str());
    let default = column.default.as_ref();
    default.is_some_and(|default| *default != Expr::Literal(Literal::Null))
        || column.generated.is_some()
        || matches!(type_name, "serial" | "bigserial" | "smallserial")
}

fn help(table: &Name, column: &Column) -> String {
    let (name, data_type) = (&column.name, type_of(column));
    format!(
        "give it a constant default, or fill it before it is closed, each step a migration of its own:\n\
         ALTER TABLE {table} ADD COLUMN {name} {data_type};\n\
         -- refit: backfill = {{ table = \"{table}\", key = [\"id\"], batch = 10000 }}\n\
         UPDATE {table} SET {name} = … WHERE id > $1 AND id <= $2 AND {name} IS NULL;\n\
         -- refit: after = [\"V…\"]\n\
         ALTER TABLE {table} ADD CONSTRAINT {bare}_{name}_given CHECK ({name} IS NOT NULL) NOT VALID;\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {bare}_{name}_given;\n\
         ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;",
        bare = table.name,
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
            ],
        );
    }
}

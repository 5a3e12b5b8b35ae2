//! # ADD COLUMN with a volatile default
//!
//! A default that is computed for each row must be written into each row: PostgreSQL rewrites the whole table and its
//! indexes, and reads and writes wait. Measured on 200,000 rows: 676 ms under ACCESS EXCLUSIVE.
//!
//! Volatile functions are random(), gen_random_uuid(), clock_timestamp(), nextval(), and every function that is not
//! declared otherwise: VOLATILE is the default of CREATE FUNCTION. Constants, casts, now() and other stable or immutable
//! calls are computed once, stored in the catalog, and cost nothing.
//!
//! Lock: ACCESS EXCLUSIVE on the table for the whole rewrite. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN token uuid DEFAULT gen_random_uuid();
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! rewrite = true
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN token uuid;
//! ALTER TABLE posts ALTER COLUMN token SET DEFAULT gen_random_uuid();
//! -- file: V2__fill_token.sql
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET token = gen_random_uuid() WHERE id > $1 AND id <= $2 AND token IS NULL;
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();
//! ```

use super::added_column::{added_columns, in_steps, report_rewrite, type_of};
use crate::check::StatementCheck;
use crate::effects::{Volatility, volatility};
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::Column;

pub(super) const RULE: Rule = Rule {
    name: "volatile-default",
    source: include_str!("volatile_default.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, column) in added_columns(check) {
        let Some(default) = &column.default else { continue };
        if volatility(default, check.schema) != Volatility::Volatile {
            continue;
        }
        let value = written_default(check, column).unwrap_or("…");
        let help = in_steps((table, check.schema), column, &type_of(column), "", value);
        report_rewrite(check, table, column, "its default is computed for each row", help);
    }
}

/// The default as written, if the file contains the column's definition unchanged.
fn written_default<'a>(check: &StatementCheck<'a>, column: &Column) -> Option<&'a str> {
    let definition = check.written(column.span)?;
    let at = definition.to_ascii_lowercase().find("default ")?;
    let value = definition.get(at + "default ".len()..)?.trim();
    // If constraints follow, the end of the default is unknown without parsing.
    (column.constraints.is_empty() && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn defaults_by_volatility() {
        fires(
            "volatile-default",
            &[
                "ALTER TABLE posts ADD COLUMN a uuid DEFAULT gen_random_uuid();",
                "ALTER TABLE posts ADD COLUMN a float8 NOT NULL DEFAULT random() * 10;",
                "ALTER TABLE unknown ADD COLUMN a timestamptz DEFAULT clock_timestamp();",
                "ALTER TABLE posts ADD COLUMN a bigint DEFAULT nextval('s');",
                "ALTER TABLE posts ADD COLUMN a int DEFAULT unknown_function();",
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\nALTER TABLE posts ADD COLUMN a int DEFAULT f();",
                "ALTER TABLE posts ADD COLUMN a text DEFAULT md5(random()::text);",
            ],
        );
        silent(
            "volatile-default",
            &[
                "ALTER TABLE posts ADD COLUMN a timestamptz DEFAULT now();",
                "ALTER TABLE posts ADD COLUMN a text DEFAULT upper('x');",
                "ALTER TABLE posts ADD COLUMN a date DEFAULT current_date;",
                "ALTER TABLE posts ADD COLUMN a jsonb NOT NULL DEFAULT '{}'::jsonb;",
                "ALTER TABLE posts ADD COLUMN a int[] DEFAULT ARRAY[1, 2];",
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';\nALTER TABLE posts ADD COLUMN a int DEFAULT f();",
                "ALTER TABLE posts ALTER COLUMN legacy SET DEFAULT random()::text;",
                "CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN b uuid DEFAULT gen_random_uuid();",
            ],
        );
    }
}

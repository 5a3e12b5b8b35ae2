//! # Syntax that the oldest server in use does not support
//!
//! `postgres` in `refit.toml` is the major version of the oldest server. Syntax that only a later version accepts fails
//! there (42601 or 0A000), and the whole migration with it, although it runs on a developer's newer server.
//!
//! Measured on 14 to 18: NULLS NOT DISTINCT, `security_invoker`, MERGE, SET ACCESS METHOD (15); a subquery in FROM
//! without an alias, STORAGE in a new column, numbers such as `0xff` and `1_000` (16); WHEN NOT MATCHED BY SOURCE,
//! MERGE … RETURNING, SET EXPRESSION (17); virtual columns, NOT ENFORCED, WITHOUT OVERLAPS, PERIOD, NOT NULL as a table
//! constraint or NOT VALID (18).
//!
//! Without `postgres` nothing is reported. Raise it when the last older server is gone.
//!
//! ```sql,unsafe
//! CREATE TABLE codes (code text UNIQUE NULLS NOT DISTINCT);
//! ```
//!
//! ```toml,claim
//! error = "42601"
//! until = 14
//! ```
//!
//! ```sql,safe
//! CREATE TABLE codes (code text UNIQUE);
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "newer-syntax",
    source: include_str!("newer_syntax.rs"),
    severity: Some(Severity::Error),
    check: Check::Engine,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_fourteen_does_not_know() {
        fires(
            "newer-syntax",
            &[
                "CREATE UNIQUE INDEX CONCURRENTLY i ON posts (code) NULLS NOT DISTINCT;",
                "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL);",
                "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2));",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (score > 0) NOT ENFORCED;",
                "CREATE TABLE t (id int, at daterange, PRIMARY KEY (id, at WITHOUT OVERLAPS));",
                "MERGE INTO posts USING authors ON posts.id = authors.id WHEN MATCHED THEN DO NOTHING;",
                "MERGE INTO posts USING authors ON posts.id = authors.id WHEN NOT MATCHED BY SOURCE THEN DELETE;",
                "SELECT * FROM (SELECT 1);",
                "ALTER TABLE posts ADD CONSTRAINT c NOT NULL title;",
                "CREATE VIEW v WITH (security_invoker) AS SELECT 1;",
                "SELECT 0xff;",
                "SELECT 1_000;",
                "ALTER TABLE posts ALTER COLUMN score SET EXPRESSION AS (1);",
            ],
        );
        silent(
            "newer-syntax",
            &[
                "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int GENERATED ALWAYS AS IDENTITY);",
                "SELECT * FROM (SELECT 1) AS x, (SELECT 2) y, LATERAL (SELECT 3) z;",
                "SELECT 1000, 1.5e3, 'a_1';",
                "CREATE TABLE t (a int NOT NULL, UNIQUE (a));",
            ],
        );
    }
}

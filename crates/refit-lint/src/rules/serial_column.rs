//! # ADD COLUMN serial
//!
//! `serial`, `bigserial` and `smallserial` are an integer with a sequence and a NOT NULL default from it. Every row
//! gets its own number, so PostgreSQL rewrites the whole table and its indexes, and reads and writes wait. Measured on
//! 200,000 rows: 0.67 to 0.78 s under ACCESS EXCLUSIVE. The numbers follow the physical order of the rows.
//!
//! Lock: ACCESS EXCLUSIVE on the table for the whole rewrite. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN number bigserial;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! rewrite = true
//! scan = true
//! ```
//!
//! Create a sequence, use it as the default for new rows, and backfill the existing rows:
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN number bigint;
//! CREATE SEQUENCE posts_number_seq OWNED BY posts.number;
//! ALTER TABLE posts ALTER COLUMN number SET DEFAULT nextval('posts_number_seq');
//! -- file: V2__fill_number.sql
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET number = nextval('posts_number_seq') WHERE id > $1 AND id <= $2 AND number IS NULL;
//! ```

use super::added_column::{added_columns, report_sequence};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "serial-column",
    source: include_str!("serial_column.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, column) in added_columns(check) {
        if let Some(base) = column.serial_base() {
            report_sequence(check, table, column, Some(base));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn columns_with_numbers() {
        fires(
            "serial-column",
            &[
                "ALTER TABLE posts ADD COLUMN a serial;",
                "ALTER TABLE posts ADD a bigserial;",
                "ALTER TABLE unknown ADD COLUMN a smallserial NOT NULL;",
                "ALTER TABLE posts ADD COLUMN a serial8;",
            ],
        );
        silent(
            "serial-column",
            &[
                "ALTER TABLE posts ADD COLUMN a bigint;",
                "CREATE TABLE t (a bigserial);",
                "CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN b bigserial;",
            ],
        );
    }
}

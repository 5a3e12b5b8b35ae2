//! # timestamp without time zone
//!
//! A `timestamp` is a date and time without a time zone. Interpreted in another zone, or across a daylight-saving
//! change, it is a different moment, and nothing in the database shows which one was intended. `timestamptz` takes the same
//! 8 bytes and is an unambiguous moment.
//!
//! Off by default. Changing the type later rewrites the table, unless the session's time zone is UTC.
//!
//! ```sql,unsafe
//! CREATE TABLE visits (id bigint PRIMARY KEY, at timestamp NOT NULL);
//! ```
//!
//! ```sql,safe
//! CREATE TABLE visits (id bigint PRIMARY KEY, at timestamptz NOT NULL);
//! ```

use super::new_columns::advise;
use crate::check::StatementCheck;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "prefer-timestamptz",
    source: include_str!("prefer_timestamptz.rs"),
    severity: None,
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    advise(check, |kind| {
        (kind.name == "timestamp").then_some(("a timestamp without time zone is ambiguous", "timestamptz"))
    });
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn types_of_time() {
        fires(
            "prefer-timestamptz",
            &[
                "CREATE TABLE t (a timestamp(3));",
                "ALTER TABLE posts ADD COLUMN a timestamp without time zone[];",
            ],
        );
        silent(
            "prefer-timestamptz",
            &[
                "CREATE TABLE t (a timestamp with time zone, b date, c time);",
                "CREATE TEMP TABLE t (a timestamp);",
            ],
        );
    }
}

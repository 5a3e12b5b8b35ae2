//! # timestamp without time zone
//!
//! A `timestamp` is a picture of a clock: it does not say where. Read in another zone, or across a change to summer time, it
//! is another moment, and nothing in the database can tell. `timestamptz` takes the same 8 bytes and is a moment.
//!
//! Off unless asked for. Changing the type later rewrites the table, unless the session's zone is UTC.
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
        (kind.name == "timestamp").then_some(("a timestamp without time zone is no moment", "timestamptz"))
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

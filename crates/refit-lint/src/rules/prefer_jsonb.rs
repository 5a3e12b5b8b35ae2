//! # json instead of jsonb
//!
//! `json` keeps the input text, including spaces and repeated keys. It is parsed again for each access, has no equality
//! operator, so DISTINCT, GROUP BY and UNION fail on it, and cannot have a GIN index. Use `jsonb` unless the text
//! itself matters.
//!
//! Off by default. Changing the type later rewrites the table.
//!
//! ```sql,unsafe
//! CREATE TABLE documents (id bigint PRIMARY KEY, body json NOT NULL);
//! ```
//!
//! ```sql,safe
//! CREATE TABLE documents (id bigint PRIMARY KEY, body jsonb NOT NULL);
//! ```

use super::new_columns::advise;
use crate::check::StatementCheck;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "prefer-jsonb",
    source: include_str!("prefer_jsonb.rs"),
    severity: None,
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    advise(check, |kind| {
        (kind.name == "json")
            .then_some(("json has no equality operator and is parsed for each access", "jsonb"))
    });
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn types_of_json() {
        fires("prefer-jsonb", &["ALTER TABLE posts ADD COLUMN a json;", "CREATE TABLE t (a JSON[]);"]);
        silent("prefer-jsonb", &["CREATE TABLE t (a jsonb, b text);"]);
    }
}

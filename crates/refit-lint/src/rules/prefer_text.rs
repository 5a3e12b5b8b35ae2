//! # A length limit in the type
//!
//! `varchar(n)` and `char(n)` have no storage advantage over `text`, and `char(n)` pads with blanks. The limit is part
//! of the type: narrowing it later rewrites the table under ACCESS EXCLUSIVE, and views that use the column prevent
//! changing it at all. A CHECK on the length of a `text` column can be added NOT VALID and validated without blocking
//! reads or writes.
//!
//! Off by default.
//!
//! ```sql,unsafe
//! CREATE TABLE tags (id bigint PRIMARY KEY, name varchar(40) NOT NULL);
//! ```
//!
//! ```sql,safe
//! CREATE TABLE tags (
//!     id   bigint PRIMARY KEY,
//!     name text NOT NULL CONSTRAINT tags_name_length CHECK (char_length(name) <= 40)
//! );
//! ```

use super::new_columns::advise;
use crate::check::StatementCheck;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "prefer-text",
    source: include_str!("prefer_text.rs"),
    severity: None,
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    advise(check, |kind| match (kind.name.as_str(), kind.modifiers.first()) {
        ("varchar", Some(_)) => {
            Some(("a limit in the type is costly to change", "text CHECK (char_length(…) <= …)"))
        }
        ("char", _) => Some(("char pads with blanks, and its limit is costly to change", "text")),
        _ => None,
    });
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn types_of_text() {
        fires(
            "prefer-text",
            &["CREATE TABLE t (a character varying(10));", "ALTER TABLE posts ADD a char(2), ADD b int;"],
        );
        silent("prefer-text", &["CREATE TABLE t (a text, b varchar, c \"char\", d bit(3));"]);
    }
}

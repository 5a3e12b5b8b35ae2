//! # A migration that nobody explains
//!
//! The `.md` beside a migration says what it is for, what it risks, how long it takes, how to verify it and how to go back:
//! what whoever is on call wants to know while it runs. `cargo xtask doc` puts them together.
//!
//! Off unless asked for. Repeatable migrations need none.
//!
//! ```sql,unsafe
//! -- file: V1__add_subtitle.sql
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```
//!
//! ```sql,safe
//! -- file: V1__add_subtitle.sql
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! -- file: V1__add_subtitle.md
//! Subtitles for the new front page. Risk: none, the column is nullable. Runtime: an instant. Back: drop it.
//! ```

use super::sidecars::ask_for;
use crate::check::FileCheck;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "missing-doc",
    source: include_str!("missing_doc.rs"),
    severity: None,
    check: Check::File(check),
};

fn check(check: &mut FileCheck<'_>) {
    ask_for(
        check,
        ".md",
        "nothing says what this migration is for and what it risks",
        "describe purpose, risk, runtime and rollback in the `.md` beside it",
    );
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn sidecars() {
        fires("missing-doc", &["SELECT 1;", "-- file: V2__x.md\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;"]);
        silent(
            "missing-doc",
            &["-- file: V1__x.md\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;", "-- file: R__x.sql\nSELECT 1;"],
        );
    }
}

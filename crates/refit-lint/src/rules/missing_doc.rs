//! # A migration without documentation
//!
//! The `.md` file of a migration describes its purpose, risk, runtime, verification and rollback, for the person who is on
//! call while it runs. `cargo xtask doc` collects these files.
//!
//! Off by default. Repeatable migrations need none.
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

use super::companion_files::ask_for;
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
        "this migration has no description of its purpose and risks",
        "describe purpose, risk, runtime and rollback in its `.md` file",
    );
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn companion_files() {
        fires("missing-doc", &["SELECT 1;", "-- file: V2__x.md\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;"]);
        silent(
            "missing-doc",
            &["-- file: V1__x.md\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;", "-- file: R__x.sql\nSELECT 1;"],
        );
    }
}

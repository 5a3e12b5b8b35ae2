//! # A migration that nobody checks
//!
//! A `.check.sql` is a query that returns no rows when the migration did what it should; `cargo xtask check` runs it. Without
//! one, a migration counts as done because it did not fail.
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
//! -- file: V1__add_subtitle.check.sql
//! SELECT 'posts.subtitle is missing' AS problem
//! WHERE  NOT EXISTS (
//!     SELECT FROM pg_attribute WHERE attrelid = to_regclass('posts') AND attname = 'subtitle'
//! );
//! ```

use super::companion_files::ask_for;
use crate::check::FileCheck;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "missing-check",
    source: include_str!("missing_check.rs"),
    severity: None,
    check: Check::File(check),
};

fn check(check: &mut FileCheck<'_>) {
    ask_for(
        check,
        ".check.sql",
        "nothing says what must hold after this migration",
        "write a query into the `.check.sql` beside it that returns a row for each thing that is wrong",
    );
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn companion_files_of_migrations() {
        fires(
            "missing-check",
            &["SELECT 1;", "-- file: V2__x.check.sql\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;"],
        );
        silent(
            "missing-check",
            &[
                "-- file: V1__x.check.sql\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;",
                "-- file: R__x.sql\nSELECT 1;",
            ],
        );
    }
}

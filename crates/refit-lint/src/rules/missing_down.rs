//! # A migration that cannot be undone
//!
//! `cargo xtask rollback` undoes a migration with its `.down.sql`. Without one, no rollback can go back to before the
//! migration. If it cannot be undone, because rows are lost, say so in that file with a statement that fails with the
//! reason. A backfill that keeps the values it overwrites (`undo`) needs no such file.
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
//! -- file: V1__add_subtitle.down.sql
//! ALTER TABLE posts DROP COLUMN subtitle;
//! ```

use super::companion_files::ask_for;
use crate::check::FileCheck;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "missing-down",
    source: include_str!("missing_down.rs"),
    severity: None,
    check: Check::File(check),
};

fn check(check: &mut FileCheck<'_>) {
    if check.file.directives.backfill.as_ref().is_some_and(|backfill| !backfill.undo.is_empty()) {
        return;
    }
    ask_for(
        check,
        ".down.sql",
        "this migration cannot be rolled back",
        "write the statements that undo it into its `.down.sql` file",
    );
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn companion_files() {
        fires(
            "missing-down",
            &["SELECT 1;", "-- file: V2__x.down.sql\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;"],
        );
        silent(
            "missing-down",
            &[
                "-- file: V1__x.down.sql\nSELECT 1;\n-- file: V1__x.sql\nSELECT 1;",
                "-- file: R__x.sql\nSELECT 1;",
                "-- refit: backfill = { table = \"t\", key = [\"id\"], undo = [\"a\"] }\n\
                 UPDATE t SET a = 1 WHERE id > $1 AND id <= $2;",
            ],
        );
    }
}

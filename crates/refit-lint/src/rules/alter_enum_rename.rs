//! # ALTER TYPE … RENAME VALUE: code that uses the old value fails
//!
//! Every running release that writes the old value or compares with it fails with 22P02 as soon as this commits. A
//! release that reads the column gets a value it does not know. No row changes, so the statement looks harmless.
//!
//! The safe way adds the new value beside the old one and moves the rows in batches while both releases run. Leave the
//! old value in place: PostgreSQL cannot drop it, and it costs nothing.
//!
//! Not reported: a migration with `-- refit: phase = "contract"` that gives a reason, in a comment of at least three
//! words above its first statement or in its `.md` file; and a type that the same migration created.
//!
//! No table is locked. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TYPE mood RENAME VALUE 'bad' TO 'poor';
//! ```
//!
//! ```sql,safe
//! -- file: V1__add_mood.sql
//! ALTER TYPE mood ADD VALUE 'poor';
//! -- file: V2__move_moods.sql
//! -- refit: backfill = { table = "people", key = ["id"], batch = 10000 }
//! UPDATE people SET mood = 'poor' WHERE id > $1 AND id <= $2 AND mood = 'bad';
//! ```

use super::breaking::is_meant;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "alter-enum-rename",
    source: include_str!("alter_enum_rename.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::RenameEnumValue { name, from } = &check.stmt.kind else { return };
    if is_meant(check, None) || check.window.created_types.contains(&name.key()) {
        return;
    }
    let help = format!(
        "add the new value and move the rows to it in batches:\n\
         ALTER TYPE {name} ADD VALUE '…';\n\
         -- refit: backfill = {{ table = \"…\", key = [\"id\"], batch = 10000 }}\n\
         UPDATE … SET … = '…' WHERE id > $1 AND id <= $2 AND … = '{from}';"
    );
    check.report(format!("every running release that uses the value '{from}' of {name} fails")).help(help);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn values_by_two_names() {
        fires("alter-enum-rename", &["ALTER TYPE public.mood RENAME VALUE 'bad' TO 'poor';"]);
        silent(
            "alter-enum-rename",
            &[
                "ALTER TYPE mood ADD VALUE 'poor' AFTER 'bad';",
                "CREATE TYPE size AS ENUM ('s', 'm'); ALTER TYPE size RENAME VALUE 's' TO 'small';",
                "-- refit: phase = \"contract\"\n-- No release says it.\nALTER TYPE mood RENAME VALUE 'bad' TO 'poor';",
            ],
        );
    }
}

//! # DROP DEFAULT of a NOT NULL column breaks INSERTs that omit it
//!
//! A release that inserts rows without the column relies on its default. Without the default, each such INSERT fails
//! (23502) for as long as the old release runs, and so do those of every other program that writes the table.
//!
//! First deploy a release that writes the column in every INSERT; once no older release runs, drop the default in a
//! contract migration. Not reported: a migration with `-- refit: phase = "contract"` that gives a reason, in a comment
//! of at least three words above its first statement or in its `.md` file; a table that the same migration created; a
//! column that the same migration gives another default, makes an identity, or makes nullable; and a column that the
//! set does not show as NOT NULL.
//!
//! Lock: ACCESS EXCLUSIVE, for a moment. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ALTER COLUMN score DROP DEFAULT;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- Since release 2.3 every INSERT names the score.
//! ALTER TABLE posts ALTER COLUMN score DROP DEFAULT;
//! ```

use super::breaking::{contract, is_meant};
use super::quoted;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, ColumnChange, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "drop-default",
    source: include_str!("drop_default.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str = "first deploy a release that sets the column in every INSERT; once no older release runs, drop the default in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    if is_meant(check, Some(table)) {
        return;
    }
    for (span, action) in actions {
        let AlterAction::AlterColumn { column, change: ColumnChange::DropDefault } = action else { continue };
        let not_null = check.schema.column(table, column).is_some_and(|known| known.not_null)
            || check.schema.proves_not_null(table, column);
        if !not_null || gets_a_value(check, table, column) {
            continue;
        }
        let sql = format!("ALTER TABLE {table} ALTER COLUMN {} DROP DEFAULT;", quoted(column));
        let help = contract(check, FIRST, &sql);
        let message = format!(
            "every INSERT of a running release that omits {table}.{column} fails: it is NOT NULL and no longer has a default"
        );
        check.report_at(*span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

/// Whether this statement or a later one of the file makes such INSERTs succeed.
fn gets_a_value(check: &StatementCheck<'_>, table: &Name, column: &str) -> bool {
    let spares = |action: &AlterAction| match action {
        AlterAction::AlterColumn { column: other, change } => {
            other == column
                && matches!(
                    change,
                    ColumnChange::SetDefault(_) | ColumnChange::AddIdentity | ColumnChange::DropNotNull
                )
        }
        AlterAction::DropColumn(other) => other == column,
        _ => false,
    };
    let key = table.key();
    std::iter::once(check.stmt).chain(check.rest).any(|stmt| match &stmt.kind {
        StmtKind::Alter { table, actions, .. } => {
            table.key_ref() == key && actions.iter().any(|(_, action)| spares(action))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn defaults_that_others_count_on() {
        fires(
            "drop-default",
            &[
                "ALTER TABLE posts ALTER title DROP DEFAULT;",
                "ALTER TABLE posts ADD COLUMN kind text NOT NULL DEFAULT 'a'; ALTER TABLE posts ALTER kind DROP DEFAULT;",
            ],
        );
        silent(
            "drop-default",
            &[
                "ALTER TABLE posts ALTER status DROP DEFAULT;",
                "ALTER TABLE posts ALTER title DROP DEFAULT, ALTER title SET DEFAULT '';",
                "ALTER TABLE posts ALTER title DROP DEFAULT; ALTER TABLE posts ALTER title DROP NOT NULL;",
                "ALTER TABLE posts ALTER id DROP DEFAULT, ALTER id ADD GENERATED ALWAYS AS IDENTITY;",
                "ALTER TABLE unknown ALTER a DROP DEFAULT;",
                "CREATE TABLE t (a int NOT NULL DEFAULT 1); ALTER TABLE t ALTER a DROP DEFAULT;",
            ],
        );
    }
}

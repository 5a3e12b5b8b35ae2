//! # SET NOT NULL that scans the table
//!
//! SET NOT NULL takes ACCESS EXCLUSIVE and reads the whole table while it holds the lock: reads and writes wait until
//! the end of the transaction, and a single NULL makes it fail with 23502.
//!
//! It reads nothing if a validated CHECK proves that the column is not null: `c IS NOT NULL`, alone or in an AND.
//! PostgreSQL accepts neither an OR, nor `c <> ''`, nor a CHECK that is NOT VALID, nor one that the same ALTER TABLE
//! drops, because the server drops it first. Once the column is NOT NULL, the CHECK is not needed any more.
//!
//! Lock: ACCESS EXCLUSIVE on the table, for the whole scan. PostgreSQL 14 to 18; from 18 on NOT NULL is a named
//! constraint and can itself be NOT VALID. `not-null-without-backfill` covers a column that was added without a value
//! and has not been filled.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD CONSTRAINT posts_legacy_given CHECK (legacy IS NOT NULL) NOT VALID;
//! -- file: V2__validate_legacy_given.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_legacy_given;
//! -- file: V3__legacy_not_null.sql
//! ALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;
//! ALTER TABLE posts DROP CONSTRAINT posts_legacy_given;
//! ```
//!
//! From PostgreSQL 18 on:
//!
//! ```sql,safe,pg18
//! ALTER TABLE posts ADD CONSTRAINT posts_legacy_not_null NOT NULL legacy NOT VALID;
//! -- file: V2__validate_legacy_not_null.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_legacy_not_null;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, ColumnChange, ConstraintKind, Name, Span, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "set-not-null-scan",
    source: include_str!("set_not_null_scan.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    let schema = check.schema.after_drops(table, actions);
    for (span, action) in actions {
        let Some(column) = scanned_column(action) else { continue };
        let known = schema.column(table, column).is_some_and(|known| known.not_null);
        if known || schema.proves_not_null(table, column) || is_unfilled(check, table, actions, column) {
            continue;
        }
        let message = format!(
            "making {column} NOT NULL reads all of {table} while reads and writes of it wait: no validated CHECK proves it"
        );
        let help = help(check, table, column);
        check.report_at(*span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

/// Whether this migration added the column without a value, possibly in the same ALTER TABLE, and has not filled it
/// since. Making it NOT NULL then has a worse problem than the scan. A column of an earlier migration may have been
/// filled by a release.
pub(super) fn is_unfilled(
    check: &StatementCheck<'_>,
    table: &Name,
    actions: &[(Span, AlterAction)],
    column: &str,
) -> bool {
    let adds = |action: &AlterAction| match action {
        AlterAction::AddColumn { column: added, .. } => added.name == column && !added.has_values(),
        _ => false,
    };
    let is_added_here = || {
        check.before.iter().any(|stmt| match &stmt.kind {
            StmtKind::Alter { table: of, actions, .. } => {
                of.key_ref() == table.key_ref() && actions.iter().any(|(_, action)| adds(action))
            }
            _ => false,
        })
    };
    check.unfilled.contains(table, column) && is_added_here()
        || actions.iter().any(|(_, action)| adds(action))
}

/// The column that an action makes NOT NULL with a scan of the rows.
pub(super) fn scanned_column(action: &AlterAction) -> Option<&str> {
    match action {
        AlterAction::AlterColumn { column, change: ColumnChange::SetNotNull } => Some(column),
        AlterAction::AddConstraint(constraint) if !constraint.not_valid => match &constraint.kind {
            ConstraintKind::NotNull(Some(column)) => Some(column),
            _ => None,
        },
        _ => None,
    }
}

fn help(check: &StatementCheck<'_>, table: &Name, column: &str) -> String {
    let bare = &table.name;
    if check.settings.postgres >= 18 {
        let (name, column) = (super::quoted(&format!("{bare}_{column}_not_null")), super::quoted(column));
        return format!(
            "in two migrations:\n\
             ALTER TABLE {table} ADD CONSTRAINT {name} NOT NULL {column} NOT VALID;\n\
             ALTER TABLE {table} VALIDATE CONSTRAINT {name};"
        );
    }
    let (name, column) = (super::quoted(&format!("{bare}_{column}_given")), super::quoted(column));
    format!(
        "prove it first, each step in its own migration:\n\
         ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID;\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {name};\n\
         ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\n\
         ALTER TABLE {table} DROP CONSTRAINT {name};"
    )
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_proves_it() {
        fires(
            "set-not-null-scan",
            &[
                "ALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int DEFAULT 1;\n-- file: V2__n.sql\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\n-- file: V2__f.sql\nSELECT fill_z();\n-- file: V3__n.sql\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE unknown ALTER a SET NOT NULL;",
                "ALTER TABLE posts ADD COLUMN z int;\n-- file: V2__n.sql\nALTER TABLE posts ALTER z SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (code IS NOT NULL) NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL OR code IS NOT NULL) NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy <> '') NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL) NOT VALID;\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c NOT NULL legacy;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL) NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL, DROP CONSTRAINT c;",
                "ALTER TABLE posts ALTER COLUMN title DROP NOT NULL, ALTER COLUMN title SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL) NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE posts DROP CONSTRAINT c;\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
            ],
        );
        silent(
            "set-not-null-scan",
            &[
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL) NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL AND legacy <> '') NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL) NOT VALID;\n-- file: V2__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__n.sql\nALTER TABLE public.posts ALTER COLUMN legacy SET NOT NULL;",
                "ALTER TABLE posts ALTER COLUMN title SET NOT NULL;",
                "CREATE TABLE t (a int);\nALTER TABLE t ALTER a SET NOT NULL;",
                "ALTER TABLE posts ADD CONSTRAINT c NOT NULL legacy NOT VALID;",
            ],
        );
    }
}

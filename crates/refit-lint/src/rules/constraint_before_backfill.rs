//! # A constraint that does not wait for its backfill
//!
//! A backfill runs in the background after the boot. A migration that makes the same column NOT NULL, or validates a
//! constraint on it, runs immediately unless a directive makes it wait. It finds rows that are not filled yet and fails
//! with 23502 or 23514, and the boot fails with it. It may succeed on a small database and fail on a large one.
//!
//! `-- refit: after = ["V…"]` holds the migration back until the backfill is complete, either directly or through
//! another migration that waits.
//!
//! Lock: SHARE UPDATE EXCLUSIVE for VALIDATE, ACCESS EXCLUSIVE for the others, until they fail. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD CONSTRAINT posts_status_given CHECK (status IS NOT NULL) NOT VALID;
//! -- file: V2__fill_status.sql
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET status = 'new' WHERE id > $1 AND id <= $2 AND status IS NULL;
//! -- file: V3__validate_status.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_status_given;
//! ```
//!
//! ```toml,claim
//! error = "23514"
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD CONSTRAINT posts_status_given CHECK (status IS NOT NULL) NOT VALID;
//! -- file: V2__fill_status.sql
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET status = 'new' WHERE id > $1 AND id <= $2 AND status IS NULL;
//! -- file: V3__validate_status.sql
//! -- refit: after = ["V2"]
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_status_given;
//! ```

use super::set_not_null_scan::scanned_column;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, Constraint, ConstraintKind, Expr, Name};

pub(super) const RULE: Rule = Rule {
    name: "constraint-before-backfill",
    source: include_str!("constraint_before_backfill.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    for (span, action) in actions {
        let columns = relied_on(check, table, action);
        let waited_for = |version: Option<i64>| version.is_none_or(|version| check.gates.contains(&version));
        let unfinished = check.backfills.iter().find(|backfill| {
            backfill.table == table.key()
                && !waited_for(backfill.version)
                && backfill.columns.iter().any(|column| columns.contains(column))
        });
        let Some((version, column)) = unfinished.and_then(|backfill| {
            let column = backfill.columns.iter().find(|column| columns.contains(column))?;
            Some((backfill.version?, column.clone()))
        }) else {
            continue;
        };
        let lock = match action {
            AlterAction::ValidateConstraint(_) => LockMode::ShareUpdateExclusive,
            _ => LockMode::AccessExclusive,
        };
        let message = format!(
            "this checks {table}.{column} while backfill V{version} may still be filling it, and fails on the remaining rows"
        );
        let help = format!(
            "hold this migration back until the backfill is complete; add above the first statement:\n-- refit: after = [\"V{version}\"]"
        );
        check.report_at(*span, message).lock(lock, table).help(help);
    }
}

/// The columns whose rows an action checks.
fn relied_on(check: &StatementCheck<'_>, table: &Name, action: &AlterAction) -> Vec<String> {
    if let Some(column) = scanned_column(action) {
        return vec![column.to_owned()];
    }
    match action {
        AlterAction::AddConstraint(Constraint { not_valid: false, kind, .. }) => match kind {
            ConstraintKind::Check(condition) => columns_of(condition),
            ConstraintKind::ForeignKey { columns, .. } => columns.clone(),
            _ => Vec::new(),
        },
        AlterAction::ValidateConstraint(name) => match check.schema.constraint(table, name) {
            Some(known) if !known.validated => match known.check.as_deref() {
                Some(condition) => columns_of(condition),
                None => known.columns.iter().map(|column| column.to_string()).collect(),
            },
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn columns_of(condition: &Expr) -> Vec<String> {
    let mut columns = Vec::new();
    condition.walk(&mut |part| {
        if let Expr::Column { name, .. } = part {
            columns.push(name.clone());
        }
    });
    columns
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    const BACKFILL: &str = "-- file: V2__fill.sql\n\
        -- refit: backfill = { table = \"posts\", key = [\"id\"] }\n\
        UPDATE posts SET status = 'new', legacy = '' WHERE id > $1 AND id <= $2;\n";

    #[test]
    fn who_waits_for_the_backfill() {
        let then = |text: &str| format!("{BACKFILL}-- file: V3__then.sql\n{text}");
        let early = [
            "ALTER TABLE posts ALTER COLUMN status SET NOT NULL;",
            "ALTER TABLE public.posts ADD CONSTRAINT c CHECK (legacy <> '');",
            "-- refit: after = [\"V1\"]\nALTER TABLE posts ALTER COLUMN status SET NOT NULL;",
            "ALTER TABLE posts ADD CONSTRAINT c CHECK (status IS NOT NULL) NOT VALID;\n\
             -- file: V4__v.sql\nALTER TABLE posts VALIDATE CONSTRAINT c;",
        ];
        for text in early {
            fires("constraint-before-backfill", &[&then(text)]);
        }
        let fine = [
            "-- refit: after = [\"V2\"]\nALTER TABLE posts ALTER COLUMN status SET NOT NULL;",
            "-- refit: after = [\"V2\"]\nSELECT 1;\n-- file: V4__v.sql\n-- refit: after = [\"V3\"]\n\
             ALTER TABLE posts ALTER COLUMN status SET NOT NULL;",
            "ALTER TABLE posts ALTER COLUMN code SET NOT NULL;",
            "ALTER TABLE people ALTER COLUMN status SET NOT NULL;",
            "ALTER TABLE posts ADD CONSTRAINT c CHECK (status IS NOT NULL) NOT VALID;",
        ];
        for text in fine {
            silent("constraint-before-backfill", &[&then(text)]);
        }
        silent("constraint-before-backfill", &["ALTER TABLE posts ALTER COLUMN status SET NOT NULL;"]);
    }
}

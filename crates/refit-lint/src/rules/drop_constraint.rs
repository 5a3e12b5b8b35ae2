//! # DROP CONSTRAINT admits the rows it rejected
//!
//! From the moment it commits, nothing rejects invalid rows any more, and releases that rely on the constraint may not
//! notice. An `ON CONFLICT` without its unique constraint fails with 42P10, a dropped foreign key leaves orphans, and
//! invalid rows written in the meantime prevent the constraint from being validated again.
//!
//! Not reported: a constraint that the same transaction adds again under the same name; a CHECK (c IS NOT NULL) whose
//! columns are now NOT NULL; a migration with `-- refit: phase = "contract"` that gives a reason, in a comment of at
//! least three words above its first statement or in its `.md` file; and a table that the same migration created.
//!
//! Lock: ACCESS EXCLUSIVE on the table, and on both tables of a foreign key, for a moment. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts_archive DROP CONSTRAINT posts_archive_pkey;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts_archive"
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- The archive keeps several copies of a post since 2.1; nothing looks one up by id.
//! ALTER TABLE posts_archive DROP CONSTRAINT posts_archive_pkey;
//! ```

use super::breaking::{contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::schema::{ConstraintDef, ConstraintType};
use crate::sql::{AlterAction, AlterTarget, ColumnChange, Expr, Name, Span, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "drop-constraint",
    source: include_str!("drop_constraint.rs"),
    severity: Some(Severity::Warning),
    check: Check::Statement(check),
};

const FIRST: &str = "once no running release relies on it, drop it in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Alter { target: AlterTarget::Table | AlterTarget::ForeignTable, table, actions } =
        &check.stmt.kind
    else {
        return;
    };
    if is_meant(check, Some(table)) {
        return;
    }
    for (span, action) in actions {
        let AlterAction::DropConstraint(constraint) = action else { continue };
        let known = check.schema.constraint(table, constraint);
        let done = known.is_some_and(|known| has_done_its_work(check, table, known, actions));
        if done || is_added_again(check, table, constraint, actions) {
            continue;
        }
        let what = known.map_or("rows that it rejected are accepted", |known| consequence(known.kind));
        let action = check.written(*span).map(str::to_owned);
        let action = action.unwrap_or_else(|| format!("DROP CONSTRAINT {}", super::quoted(constraint)));
        let sql = format!("ALTER TABLE {table} {action};");
        let help = contract(check, FIRST, &sql);
        check
            .report_at(*span, format!("without {constraint} on {table}, {what}"))
            .lock(LockMode::AccessExclusive, table)
            .help(help);
    }
}

fn consequence(kind: ConstraintType) -> &'static str {
    match kind {
        ConstraintType::PrimaryKey | ConstraintType::Unique => {
            "duplicates are accepted, its index is gone, and ON CONFLICT on its columns fails"
        }
        ConstraintType::ForeignKey => "rows that reference nothing are accepted",
        _ => "rows that it rejected are accepted",
    }
}

/// A CHECK that proved NOT NULL is not needed once the columns are NOT NULL. The same goes for a named NOT NULL
/// constraint: dropping it is DROP NOT NULL.
fn has_done_its_work(
    check: &StatementCheck<'_>,
    table: &Name,
    known: &ConstraintDef,
    actions: &[(Span, AlterAction)],
) -> bool {
    if known.kind == ConstraintType::NotNull {
        return true;
    }
    let is_not_null = |column: &str| {
        check.schema.column(table, column).is_some_and(|known| known.not_null)
            || actions.iter().any(|(_, action)| {
                matches!(action, AlterAction::AlterColumn { column: set, change: ColumnChange::SetNotNull } if set == column)
            })
    };
    let proves_only = |part: &Expr| match part {
        Expr::IsNull { negated: true, value } => {
            matches!(&**value, Expr::Column { name, .. } if is_not_null(name))
        }
        _ => false,
    };
    match known.check.as_deref() {
        Some(Expr::And(parts)) => parts.iter().all(proves_only),
        Some(part) => proves_only(part),
        None => false,
    }
}

/// Whether the same transaction adds a constraint with the same name.
fn is_added_again(
    check: &StatementCheck<'_>,
    table: &Name,
    constraint: &str,
    actions: &[(Span, AlterAction)],
) -> bool {
    let adds = |actions: &[(Span, AlterAction)]| {
        actions.iter().any(|(_, action)| {
            matches!(action, AlterAction::AddConstraint(added) if added.name.as_deref() == Some(constraint))
        })
    };
    let later = check.rest.iter().any(|stmt| match &stmt.kind {
        StmtKind::Alter { table: altered, actions, .. } => altered.key() == table.key() && adds(actions),
        _ => false,
    });
    adds(actions) || check.window.in_transaction && later
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn constraints_that_keep_something_out() {
        fires(
            "drop-constraint",
            &[
                "ALTER TABLE posts DROP CONSTRAINT posts_pkey;",
                "ALTER TABLE unknown DROP CONSTRAINT IF EXISTS c CASCADE;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL); ALTER TABLE posts DROP CONSTRAINT c;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (slug IS NOT NULL AND score > 0); ALTER TABLE posts DROP CONSTRAINT c;",
            ],
        );
        silent(
            "drop-constraint",
            &[
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (legacy IS NOT NULL AND status IS NOT NULL) NOT VALID;\n\
                 ALTER TABLE posts VALIDATE CONSTRAINT c;\n\
                 ALTER TABLE posts ALTER legacy SET NOT NULL, ALTER status SET NOT NULL, DROP CONSTRAINT c;",
                "ALTER TABLE posts DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (score > 1) NOT VALID;",
                "ALTER TABLE posts DROP CONSTRAINT c; ALTER TABLE posts ADD CONSTRAINT c CHECK (score > 1) NOT VALID;",
                "-- refit: phase = \"contract\"\n-- Nobody needs it.\nALTER TABLE posts DROP CONSTRAINT c;",
            ],
        );
    }
}

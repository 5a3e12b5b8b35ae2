//! # RENAME of a table or view breaks code that uses the old name
//!
//! A table has one name, but two releases run at once during every deployment. The old release fails with 42P01 from
//! the moment of the rename. ALTER TABLE … SET SCHEMA does the same to code that names the schema, or whose search_path
//! lacks the new one.
//!
//! A view with the old name, created in the same transaction, keeps the old release working: PostgreSQL reads and
//! writes through a simple view. Not reported: a rename with such a view; a table that the same migration created; a
//! rename that is part of a swap, where another table gets the old name; and a migration with
//! `-- refit: phase = "contract"` that gives a reason, in a comment of at least three words above its first statement
//! or in its `.md` file.
//!
//! Lock: ACCESS EXCLUSIVE, for a moment. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts_archive RENAME TO old_posts;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts_archive"
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts_archive RENAME TO old_posts;
//! CREATE VIEW posts_archive AS SELECT * FROM old_posts;
//! ```

use super::breaking::is_meant;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, AlterTarget, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "rename-table",
    source: include_str!("rename_table.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Alter { target, table, actions } = &check.stmt.kind else { return };
    // ALTER TABLE can rename an index too.
    let is_index = check.schema.indexes.contains_key(&*table.key_ref());
    if matches!(target, AlterTarget::Index | AlterTarget::Sequence)
        || is_index
        || is_meant(check, Some(table))
    {
        return;
    }
    for (span, action) in actions {
        let new = match action {
            AlterAction::RenameTo(to) => Name { name: to.clone(), ..table.clone() },
            AlterAction::SetSchema(schema) => Name { schema: Some(schema.clone()), ..table.clone() },
            _ => continue,
        };
        if check.window.in_transaction && (is_given_again(check, table) || is_swap(check, &new)) {
            continue;
        }
        let renamed = check.written(check.stmt.span).map_or(format!("ALTER TABLE {table} …"), str::to_owned);
        let help = format!(
            "create a view with the old name in the same transaction, and drop it once the old name is no longer used:\n\
             {renamed};\n\
             CREATE VIEW {table} AS SELECT * FROM {new};"
        );
        check
            .report_at(
                *span,
                format!("every running release that uses {table} fails once it is renamed to {new}"),
            )
            .lock(LockMode::AccessExclusive, table)
            .help(help);
    }
}

/// Whether a later statement gives the old name to a view or another table.
fn is_given_again(check: &StatementCheck<'_>, old: &Name) -> bool {
    check.rest.iter().any(|stmt| match &stmt.kind {
        StmtKind::CreateView { name, .. } => name.key() == old.key(),
        StmtKind::Alter { table, actions, .. } => actions.iter().any(|(_, action)| {
            matches!(action, AlterAction::RenameTo(to) if Name { name: to.clone(), ..table.clone() }.key() == old.key())
        }),
        _ => false,
    })
}

/// Whether an earlier statement freed the new name, so that the table replaces another.
fn is_swap(check: &StatementCheck<'_>, new: &Name) -> bool {
    check.before.iter().any(|stmt| match &stmt.kind {
        StmtKind::Alter { table, actions, .. } => {
            table.key() == new.key()
                && actions
                    .iter()
                    .any(|(_, action)| matches!(action, AlterAction::RenameTo(_) | AlterAction::SetSchema(_)))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn tables_by_two_names() {
        fires(
            "rename-table",
            &[
                "ALTER TABLE posts RENAME TO articles;",
                "ALTER TABLE posts RENAME TO articles; CREATE VIEW other AS SELECT * FROM articles;",
                "ALTER TABLE posts SET SCHEMA old;",
                "ALTER VIEW v RENAME TO w;",
                "-- refit: transaction = false\nALTER TABLE posts RENAME TO a; CREATE VIEW posts AS SELECT * FROM a;",
            ],
        );
        silent(
            "rename-table",
            &[
                "ALTER INDEX posts_author_id_idx RENAME TO i;",
                "ALTER SEQUENCE s RENAME TO t;",
                "ALTER TABLE posts_author_id_idx RENAME TO i;",
                "ALTER TABLE posts RENAME TO posts_old; ALTER TABLE posts_new RENAME TO posts;",
                "CREATE TABLE t (a int); ALTER TABLE t RENAME TO u;",
            ],
        );
        fires("rename-table", &["ALTER TABLE posts_new RENAME TO posts;"]);
    }
}

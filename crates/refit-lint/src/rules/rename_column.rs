//! # RENAME COLUMN breaks code that uses the old name
//!
//! A column has one name, but two releases run at once during every deployment. The old release fails with 42703 from
//! the moment of the rename, or the new one fails until then.
//!
//! The safe way takes three migrations: add a new column; fill it in batches while the release writes both; and, once
//! no release uses the old column, drop it in a contract migration. Often no rename is needed: use `AS` in the query,
//! or a view.
//!
//! Not reported: a table that the same migration created; and a migration with `-- refit: phase = "contract"` that
//! gives a reason, in a comment of at least three words above its first statement or in its `.md` file. Columns of
//! views count like those of tables.
//!
//! Lock: ACCESS EXCLUSIVE, for a moment. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts RENAME COLUMN title TO headline;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! -- file: V1__add_headline.sql
//! -- refit: phase = "expand"
//! ALTER TABLE posts ADD COLUMN headline text;
//! -- file: V2__fill_headline.sql
//! -- refit: phase = "migrate"
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET headline = title WHERE id > $1 AND id <= $2 AND headline IS NULL;
//! -- file: V3__drop_title.sql
//! -- refit: phase = "contract"
//! -- refit: after = ["V2"]
//! -- Release 2.1 reads and writes headline only, and no older one runs.
//! ALTER TABLE posts DROP COLUMN title;
//! ```

use super::breaking::is_meant;
use crate::batches::Batches;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "rename-column",
    source: include_str!("rename_column.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Alter { table, actions, .. } = &check.stmt.kind else { return };
    if is_meant(check, Some(table)) {
        return;
    }
    for (span, action) in actions {
        let AlterAction::RenameColumn { from, to } = action else { continue };
        let message = format!(
            "every running release that uses {table}.{from} fails after this, and one that uses {to} fails before"
        );
        let (old, new) = (super::quoted(from), super::quoted(to));
        let Batches { directive, range, .. } = Batches::or_by_id(check.schema, table);
        let kind = check.schema.column(table, from).and_then(|known| known.data_type.as_ref());
        let kind = kind.map_or("…".to_owned(), |kind| kind.to_string());
        let help = format!(
            "add {to}, backfill it while the release writes both, and drop {from} once it is no longer used:\n\
             ALTER TABLE {table} ADD COLUMN {new} {kind};\n\
             -- the next migration:\n\
             -- refit: backfill = {directive}\n\
             UPDATE {table} SET {new} = {old} WHERE {range} AND {new} IS NULL;\n\
             -- the last one:\n\
             -- refit: phase = \"contract\"\n\
             -- Why no running release needs it any more.\n\
             ALTER TABLE {table} DROP COLUMN {old};"
        );
        check.report_at(*span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn columns_by_two_names() {
        fires(
            "rename-column",
            &[
                "ALTER TABLE posts RENAME title TO headline;",
                "ALTER TABLE IF EXISTS \"Posts\" RENAME COLUMN a TO b;",
                "ALTER VIEW v RENAME COLUMN a TO b;",
            ],
        );
        silent(
            "rename-column",
            &[
                "CREATE TABLE t (a int); ALTER TABLE t RENAME COLUMN a TO b;",
                "ALTER TABLE posts RENAME CONSTRAINT a TO b;",
                "ALTER INDEX a RENAME TO b;",
            ],
        );
    }
}

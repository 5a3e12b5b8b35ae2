//! # DROP COLUMN breaks code that uses the column, and deletes its data
//!
//! The column disappears immediately for all sessions. Each release that still uses it, in a query, an INSERT or a
//! `SELECT *` that is decoded by position, fails with 42703 until it is replaced. Rolling back the release does not
//! help, and undoing the migration brings the column back empty.
//!
//! Make it the last step of a change: first deploy a release that does not use the column; once no older release runs,
//! drop it in a contract migration. Not reported: a migration with `-- refit: phase = "contract"` that gives a reason,
//! in a comment of at least three words above its first statement or in its `.md` file; and a table that the same
//! migration created. DROP TYPE, DROP DOMAIN and DROP EXTENSION with CASCADE drop columns too, without naming them.
//!
//! Lock: ACCESS EXCLUSIVE, for a moment; no row is rewritten, and the space is reclaimed gradually. PostgreSQL 14 to
//! 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts DROP COLUMN legacy;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- Release 2.1 neither reads nor writes it, and 2.0 has run nowhere since March.
//! ALTER TABLE posts DROP COLUMN legacy;
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, AlterTarget, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "drop-column",
    source: include_str!("drop_column.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str = "first deploy a release that does not use it; once no older release runs, drop it in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    match &check.stmt.kind {
        StmtKind::Alter { target: AlterTarget::Table | AlterTarget::ForeignTable, table, actions } => {
            if is_meant(check, Some(table)) {
                return;
            }
            for (span, action) in actions {
                let AlterAction::DropColumn(column) = action else { continue };
                let action = check.written(*span).map(str::to_owned);
                let action = action.unwrap_or_else(|| format!("DROP COLUMN {}", super::quoted(column)));
                let sql = format!("ALTER TABLE {table} {action};");
                let help = contract(check, FIRST, &sql);
                check
                    .report_at(
                        *span,
                        format!(
                            "{table}.{column} and its data are deleted immediately: every running release that uses it fails"
                        ),
                    )
                    .lock(LockMode::AccessExclusive, table)
                    .help(help);
            }
        }
        StmtKind::Drop { what, names, cascade: true, .. } if matches!(what.as_str(), "TYPE" | "DOMAIN") => {
            if is_meant(check, None) {
                return;
            }
            let Some(name) = names.first() else { return };
            let help = contract(check, FIRST, &as_written(check, || format!("DROP {what} {name}")));
            check
                .report(format!("CASCADE drops every column of type {name}, in any table, with its data"))
                .help(help);
        }
        StmtKind::Other(words) if words.starts_with("DROP EXTENSION") && words.contains("CASCADE") => {
            if is_meant(check, None) {
                return;
            }
            let help = contract(check, FIRST, &as_written(check, || "DROP EXTENSION …".to_owned()));
            check
                .report("CASCADE drops every column whose type belongs to the extension, with its data")
                .help(help);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn columns_that_running_code_names() {
        fires(
            "drop-column",
            &[
                "ALTER TABLE posts DROP legacy;",
                "ALTER TABLE IF EXISTS public.posts DROP COLUMN IF EXISTS legacy CASCADE;",
                "ALTER TABLE unknown ADD COLUMN a int, DROP COLUMN b;",
                "DO $$ BEGIN EXECUTE 'ALTER TABLE posts DROP COLUMN legacy'; END $$;",
                "DROP TYPE mood CASCADE;",
                "DROP EXTENSION hstore CASCADE;",
                "-- refit: phase = \"contract\"\nALTER TABLE posts DROP COLUMN legacy;",
                "-- Nobody needs it any more.\nALTER TABLE posts DROP COLUMN legacy;",
            ],
        );
        silent(
            "drop-column",
            &[
                "DROP TYPE mood;",
                "CREATE TABLE t (a int, b int); ALTER TABLE t DROP COLUMN b;",
                "-- refit: phase = \"contract\"\n/* Nobody needs it. */ ALTER TABLE posts DROP COLUMN legacy;",
                "-- file: V2__x.md\nWhy.\n-- file: V2__x.sql\n-- refit: phase = \"contract\"\nALTER TABLE posts DROP COLUMN legacy;",
            ],
        );
    }
}

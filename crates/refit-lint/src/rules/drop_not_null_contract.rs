//! # DROP NOT NULL in a contract migration is too late
//!
//! A release that omits a column needs the column to accept NULL before it starts: DROP NOT NULL belongs in the expand
//! phase. By the contract phase that release has long been running, so each of its INSERTs has failed; or the column is
//! about to be dropped, and DROP NOT NULL has no purpose. It only lets NULLs reach code that does not expect them.
//!
//! The rule checks only migrations with `-- refit: phase = "contract"`. Not reported: a migration that gives a reason,
//! in a comment of at least three words above its first statement or in its `.md` file.
//!
//! Lock: ACCESS EXCLUSIVE, for a moment. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! -- refit: phase = "contract"
//! ALTER TABLE posts ALTER COLUMN title DROP NOT NULL;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "expand"
//! ALTER TABLE posts ALTER COLUMN title DROP NOT NULL;
//! ```

use super::breaking::is_meant;
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, ColumnChange, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "drop-not-null-contract",
    source: include_str!("drop_not_null_contract.rs"),
    severity: Some(Severity::Warning),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Alter { table, actions, .. } = &check.stmt.kind else { return };
    let contracts = check.file.directives.phase == Some(refit_model::Phase::Contract);
    if !contracts || is_meant(check, Some(table)) {
        return;
    }
    for (span, action) in actions {
        let AlterAction::AlterColumn { column, change: ColumnChange::DropNotNull } = action else { continue };
        let help = format!(
            "drop NOT NULL before the release that omits the column, in an expand migration:\n\
             -- refit: phase = \"expand\"\n\
             ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL;",
            super::quoted(column)
        );
        check
            .report_at(*span, format!("{table}.{column} accepts NULL only after the release that needs it"))
            .lock(LockMode::AccessExclusive, table)
            .help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn phases() {
        fires(
            "drop-not-null-contract",
            &["-- refit: phase = \"contract\"\nALTER TABLE posts ALTER title DROP NOT NULL;"],
        );
        silent(
            "drop-not-null-contract",
            &[
                "ALTER TABLE posts ALTER title DROP NOT NULL;",
                "-- refit: phase = \"contract\"\n-- Only imports leave it out.\nALTER TABLE posts ALTER title DROP NOT NULL;",
            ],
        );
    }
}

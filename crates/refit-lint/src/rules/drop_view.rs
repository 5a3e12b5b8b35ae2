//! # DROP VIEW: code that reads the view fails
//!
//! Every running release that names the view, or the materialized view, fails with 42P01 from that moment on. With CASCADE, views that
//! read it go too, without being named.
//!
//! So it is the last step of a change. This rule is silent in a migration that carries `-- refit: phase = "contract"` and
//! says why, in a comment of at least three words above its first statement or in a `.md` beside it; on a view that
//! the same migration created; and where the migration creates a view or table of that name again in the same transaction.
//!
//! Lock: ACCESS EXCLUSIVE on the view, until commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! DROP MATERIALIZED VIEW post_counts;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "post_counts"
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- Release 3.0 counts by itself; nothing reads the view.
//! DROP MATERIALIZED VIEW post_counts;
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Name, Stmt, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "drop-view",
    source: include_str!("drop_view.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str =
    "first a release that does not read it; then, when no older one runs, a migration that says so:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Drop { what, names, cascade, .. } = &check.stmt.kind else { return };
    if !matches!(what.as_str(), "VIEW" | "MATERIALIZED VIEW") {
        return;
    }
    for view in names {
        if is_meant(check, Some(view)) || (check.window.in_transaction && is_made_again(check, view)) {
            continue;
        }
        let rest = if *cascade { ", and CASCADE takes what reads it" } else { "" };
        let help = contract(check, FIRST, &as_written(check, || format!("DROP {what} {view}")));
        check
            .report(format!("every running release that reads {view} fails once it is gone{rest}"))
            .lock(LockMode::AccessExclusive, view)
            .help(help);
    }
}

fn is_made_again(check: &StatementCheck<'_>, view: &Name) -> bool {
    let key = view.key();
    let makes = |stmt: &Stmt| match &stmt.kind {
        StmtKind::CreateView { name, .. } => name.key_ref() == key,
        StmtKind::CreateTable(create) => create.name.key_ref() == key,
        StmtKind::CreateTableAs { table, .. } => table.key_ref() == key,
        _ => false,
    };
    check.rest.iter().any(makes)
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn views_that_others_read() {
        fires(
            "drop-view",
            &[
                "DROP VIEW v;",
                "DROP VIEW IF EXISTS v, w CASCADE;",
                "DROP MATERIALIZED VIEW post_counts;",
                "-- refit: transaction = false\nDROP VIEW v; CREATE VIEW v AS SELECT 1;",
            ],
        );
        silent(
            "drop-view",
            &[
                "DROP VIEW v; CREATE VIEW v AS SELECT 1;",
                "CREATE VIEW v AS SELECT 1; DROP VIEW v;",
                "DROP TABLE posts;",
                "-- refit: phase = \"contract\"\n-- Nothing reads it.\nDROP VIEW v;",
            ],
        );
    }
}

//! # DROP VIEW breaks code that reads the view
//!
//! Every running release that uses the view or materialized view fails with 42P01 as soon as this commits. With
//! CASCADE, views that read it are dropped too, without being named.
//!
//! Make it the last step of a change. Not reported: a migration with `-- refit: phase = "contract"` that gives a
//! reason, in a comment of at least three words above its first statement or in its `.md` file; a view that the same
//! migration created; and a migration that creates a view or table of the same name again in the same transaction.
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

const FIRST: &str = "first deploy a release that does not read it; once no older release runs, drop it in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Drop { what, names, cascade, .. } = &check.stmt.kind else { return };
    if !matches!(what.as_str(), "VIEW" | "MATERIALIZED VIEW") {
        return;
    }
    for view in names {
        if is_meant(check, Some(view)) || (check.window.in_transaction && is_recreated(check, view)) {
            continue;
        }
        let rest = if *cascade { ", and CASCADE drops what reads it" } else { "" };
        let help = contract(check, FIRST, &as_written(check, || format!("DROP {what} {view}")));
        check
            .report(format!("every running release that reads {view} fails once it is dropped{rest}"))
            .lock(LockMode::AccessExclusive, view)
            .help(help);
    }
}

fn is_recreated(check: &StatementCheck<'_>, view: &Name) -> bool {
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

//! # CREATE TRIGGER stops writes while it waits
//!
//! CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table. The statement itself is a moment; but it waits for every transaction
//! that has written to the table, however long that one goes on, and every later write waits behind it. What else the
//! migration does while it holds the lock counts as well.
//!
//! There is no gentler form. So create the trigger in a migration of its own, and say how long writes may wait: with a
//! `lock_timeout` of a second or less in the front matter this rule is silent. Refit then tries again until a gap comes.
//!
//! Lock: SHARE ROW EXCLUSIVE on the table, until commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! CREATE TRIGGER posts_touch_insert BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION touch();
//! ```
//!
//! ```toml,claim
//! lock = "SHARE ROW EXCLUSIVE"
//! table = "posts"
//! scan = false
//! ```
//!
//! ```sql,safe
//! -- refit: lock_timeout = "500ms"
//! CREATE TRIGGER posts_touch_insert BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION touch();
//! ```

use std::time::Duration;

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "create-trigger",
    source: include_str!("create_trigger.rs"),
    severity: Some(Severity::Warning),
    check: Check::Statement(check),
};

/// A wait that a migration may ask of others, when it says so.
const SHORT: Duration = Duration::from_secs(1);

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::CreateTrigger { table, instead, .. } = &check.stmt.kind else { return };
    let short = check.file.directives.lock_timeout.is_some_and(|timeout| timeout <= SHORT);
    // INSTEAD OF is for views: nobody's rows.
    if *instead || short && check.window.in_transaction || check.is_new(table) {
        return;
    }
    let written = check.written(check.stmt.span).unwrap_or("CREATE TRIGGER …");
    let help = format!(
        "create it in a migration of its own that says how long writes may wait:\n\
         -- refit: lock_timeout = \"500ms\"\n\
         {written};"
    );
    check
        .report(format!("writes to {table} wait while CREATE TRIGGER waits for the running ones, and until the transaction ends"))
        .lock(LockMode::ShareRowExclusive, table)
        .help(help);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn tables_that_are_written_to() {
        fires(
            "create-trigger",
            &[
                "CREATE TRIGGER t AFTER INSERT ON posts EXECUTE FUNCTION touch();",
                "CREATE OR REPLACE TRIGGER t AFTER INSERT ON unknown EXECUTE FUNCTION f();",
                "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON posts FOR EACH ROW EXECUTE FUNCTION touch();",
                "-- refit: lock_timeout = \"30s\"\nCREATE TRIGGER t AFTER INSERT ON posts EXECUTE FUNCTION touch();",
            ],
        );
        silent(
            "create-trigger",
            &[
                "-- refit: lock_timeout = \"1s\"\nCREATE TRIGGER t AFTER INSERT ON posts EXECUTE FUNCTION touch();",
                "CREATE TABLE t (a int); CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION touch();",
                "CREATE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION touch();",
            ],
        );
    }
}

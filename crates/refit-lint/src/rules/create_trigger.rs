//! # CREATE TRIGGER blocks writes while it waits
//!
//! CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table. The statement itself is quick, but it waits for every
//! transaction that has written to the table, however long that runs, and every later write waits behind it. Everything
//! else that the migration does while it holds the lock adds to the wait.
//!
//! There is no weaker form. Create the trigger in its own migration and limit how long writes may wait: the rule does
//! not report a migration with a `lock_timeout` of one second or less in its front matter. Refit then retries until it
//! gets the lock.
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

/// The longest wait that a migration may impose when it sets its own `lock_timeout`.
const SHORT: Duration = Duration::from_secs(1);

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::CreateTrigger { table, instead, .. } = &check.stmt.kind else { return };
    let short = check.file.directives.lock_timeout.is_some_and(|timeout| timeout <= SHORT);
    // INSTEAD OF triggers are on views, which have no rows of their own.
    if *instead || short && check.window.in_transaction || check.is_new(table) {
        return;
    }
    let written = check.written(check.stmt.span).unwrap_or("CREATE TRIGGER …");
    let help = format!(
        "create it in its own migration, with a limit on how long writes may wait:\n\
         -- refit: lock_timeout = \"500ms\"\n\
         {written};"
    );
    check
        .report(format!("writes to {table} wait until running writes finish and the transaction ends"))
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

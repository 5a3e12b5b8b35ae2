//! # SET TRANSACTION fails in a migration
//!
//! Refit runs each step in one transaction and sets its limits before the first statement of the migration. SET
//! TRANSACTION ISOLATION LEVEL and SET TRANSACTION SNAPSHOT must come before any query, so they fail there (25001).
//! Outside a transaction (`transaction = false`) they only cause a warning. SET SESSION CHARACTERISTICS applies to
//! later transactions, and a migration has none.
//!
//! READ COMMITTED, the default, is right for schema changes. READ ONLY and READ WRITE can be set at any time and are
//! not reported.
//!
//! Lock: none, the statement fails. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
//! CREATE TABLE queue (id bigint PRIMARY KEY);
//! ```
//!
//! ```toml,claim
//! error = "25001"
//! ```
//!
//! ```sql,safe
//! CREATE TABLE queue (id bigint PRIMARY KEY);
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "set-transaction",
    source: include_str!("set_transaction.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let message = match &check.stmt.kind {
        StmtKind::Other(words) if is_late(words) => match check.window.in_transaction {
            true => "it fails in a migration, because Refit has run a query in its transaction (25001)",
            false => "outside a transaction it has no effect",
        },
        StmtKind::Set { name, value: Some(_), .. } if name == "transaction_isolation" => {
            "it fails in a migration, because Refit has run a query in its transaction (25001)"
        }
        _ => return,
    };
    check.report(message).help("remove it: READ COMMITTED, the default, is right for schema changes");
}

fn is_late(words: &str) -> bool {
    words.starts_with("SET TRANSACTION") && (words.contains("ISOLATION") || words.contains("SNAPSHOT"))
        || words.starts_with("SET SESSION CHARACTERISTICS")
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn levels_that_come_too_late() {
        fires(
            "set-transaction",
            &[
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
                "-- refit: transaction = false\nSET TRANSACTION ISOLATION LEVEL REPEATABLE READ;",
                "SET LOCAL transaction_isolation = 'serializable';",
            ],
        );
        silent("set-transaction", &["SET TRANSACTION READ ONLY;", "SET LOCAL lock_timeout = '5s';"]);
    }
}

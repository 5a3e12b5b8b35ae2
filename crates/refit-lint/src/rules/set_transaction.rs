//! # SET TRANSACTION in a migration: fails
//!
//! A step is one transaction, in which Refit has set its limits before the migration's first statement: SET TRANSACTION ISOLATION LEVEL, and a
//! snapshot, must come before any query, and fail there (25001). Outside of a transaction (`transaction = false`) it warns and does
//! nothing. SET SESSION CHARACTERISTICS is for transactions that come later; none of a migration does.
//!
//! READ COMMITTED, which is the default, is right for changes of a schema. READ ONLY or READ WRITE can be set at any time, and are not reported.
//!
//! Lock: none is taken, the statement fails. PostgreSQL 14 to 18.
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
            true => "it fails in a step, whose transaction has begun with a query (25001)",
            false => "outside of a transaction it does nothing",
        },
        StmtKind::Set { name, value: Some(_), .. } if name == "transaction_isolation" => {
            "it fails in a step, whose transaction has begun with a query (25001)"
        }
        _ => return,
    };
    check.report(message).help("leave it out: READ COMMITTED, the default, is right for changes of a schema");
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

//! # lock_timeout switched off
//!
//! Refit runs every transaction under a `lock_timeout` (2 s unless the set or the migration says otherwise), and tries again
//! when it strikes. With `lock_timeout = 0` a statement waits for its lock as long as it takes, in the queue, and whoever
//! comes after it waits behind it: one forgotten transaction somewhere stops every query of the table. RESET and SET … TO
//! DEFAULT go back to the server's setting, which is 0 unless somebody changed it.
//!
//! A migration that needs longer says how long, in its front matter. With `transaction = false` this rule is silent:
//! CREATE INDEX CONCURRENTLY and its like wait in a way that stops nobody.
//!
//! Lock: those of the statements that follow, waited for without end. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! SET lock_timeout = 0;
//! ALTER TABLE posts ADD COLUMN note text;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! -- refit: lock_timeout = "5s"
//! ALTER TABLE posts ADD COLUMN note text;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::{Expr, Literal, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "lock-timeout-disabled",
    source: include_str!("lock_timeout_disabled.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    if !check.file.directives.transaction {
        return;
    }
    let message = match &check.stmt.kind {
        StmtKind::Set { name, value: Some(value), .. } if name == "lock_timeout" && is_zero(value) => {
            "lock_timeout = 0: what follows waits for its locks without end, and everybody else behind it"
        }
        StmtKind::Set { name, value: None, .. } if name == "lock_timeout" => {
            "this gives up the lock_timeout that Refit has set: what follows may wait for its locks without end"
        }
        StmtKind::Other(words) if words.starts_with("RESET ALL") => {
            "this gives up the lock_timeout that Refit has set: what follows may wait for its locks without end"
        }
        StmtKind::Select(query) if query.columns.iter().any(sets_to_zero) => {
            "lock_timeout = 0: what follows waits for its locks without end, and everybody else behind it"
        }
        _ => return,
    };
    check
        .report(message)
        .help("leave it out; a migration that needs longer says how long in its first lines:\n-- refit: lock_timeout = \"5s\"");
}

/// `0`, with whatever unit.
fn is_zero(value: &str) -> bool {
    let digits = value.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace());
    digits.parse::<f64>() == Ok(0.0)
}

/// `set_config('lock_timeout', '0', …)`.
fn sets_to_zero(column: &Expr) -> bool {
    let mut found = false;
    column.walk(&mut |part| {
        if let Expr::Call { name, args, .. } = part
            && name.name == "set_config"
            && let [Expr::Literal(Literal::String(setting)), Expr::Literal(Literal::String(value)), ..] =
                &args[..]
        {
            found |= setting == "lock_timeout" && is_zero(value);
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn waits_without_end() {
        fires(
            "lock-timeout-disabled",
            &[
                "SET lock_timeout = 0;",
                "SET LOCAL lock_timeout TO '0s';",
                "SET SESSION LOCK_TIMEOUT = '0ms';",
                "RESET lock_timeout;",
                "RESET ALL;",
                "SET lock_timeout TO DEFAULT;",
                "SELECT set_config('lock_timeout', '0', true);",
                "SELECT pg_catalog.set_config('lock_timeout', '0', false);",
            ],
        );
        silent(
            "lock-timeout-disabled",
            &[
                "SET LOCAL lock_timeout = '2s';",
                "SET lock_timeout = 500;",
                "SET statement_timeout = 0;",
                "RESET search_path;",
                "-- refit: transaction = false\nSET lock_timeout = 0;\nCREATE INDEX CONCURRENTLY i ON posts (status);",
                "SELECT set_config('search_path', '', false);",
            ],
        );
    }
}

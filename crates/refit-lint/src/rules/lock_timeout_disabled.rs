//! # lock_timeout disabled
//!
//! Refit runs every transaction under a `lock_timeout` (2 s unless the set or the migration sets another), and retries
//! when it expires. With `lock_timeout = 0` a statement waits for its lock without a limit, and every later query waits
//! behind it: a single forgotten transaction can block every query of the table. RESET and SET … TO DEFAULT restore the
//! server's setting, which is 0 by default.
//!
//! If a migration needs longer, set the time in its front matter. Not reported: a migration with `transaction = false`,
//! because CREATE INDEX CONCURRENTLY and similar statements wait without blocking others.
//!
//! Lock: those of the statements that follow, without a limit on the wait. PostgreSQL 14 to 18.
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
            "lock_timeout = 0: later statements wait for their locks without a limit, and block others while they wait"
        }
        StmtKind::Set { name, value: None, .. } if name == "lock_timeout" => {
            "this resets the lock_timeout that Refit set: later statements may wait for their locks without a limit"
        }
        StmtKind::Other(words) if words.starts_with("RESET ALL") => {
            "this resets the lock_timeout that Refit set: later statements may wait for their locks without a limit"
        }
        StmtKind::Select(query) if query.columns.iter().any(sets_to_zero) => {
            "lock_timeout = 0: later statements wait for their locks without a limit, and block others while they wait"
        }
        _ => return,
    };
    check
        .report(message)
        .help("remove it; if the migration needs longer, set the time in its first lines:\n-- refit: lock_timeout = \"5s\"");
}

/// Whether a value is `0`, with any unit.
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

//! # DROP FUNCTION breaks code that calls the function
//!
//! Every running release that calls the function or procedure fails with 42883 as soon as this commits. With CASCADE,
//! triggers, defaults, indexes and views that use it are dropped too, without being named.
//!
//! Make it the last step of a change. Not reported: a migration with `-- refit: phase = "contract"` that gives a
//! reason, in a comment of at least three words above its first statement or in its `.md` file; a function that returns
//! `trigger`, which programs cannot call; a function that the same migration created; and a migration that creates a
//! function of the same name again in the same transaction.
//!
//! Lock: none that blocks others. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! DROP FUNCTION IF EXISTS slug_of(text);
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- Release 3.0 makes slugs by itself.
//! DROP FUNCTION IF EXISTS slug_of(text);
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "drop-routine",
    source: include_str!("drop_routine.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str = "first deploy a release that does not call it; once no older release runs, drop it in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Drop { what, names, cascade, .. } = &check.stmt.kind else { return };
    if !matches!(what.as_str(), "FUNCTION" | "PROCEDURE") || is_meant(check, None) {
        return;
    }
    for name in names {
        let key = name.key();
        let creates = |stmt: &crate::sql::Stmt| matches!(&stmt.kind, StmtKind::CreateRoutine { name, .. } if name.key_ref() == key);
        let known = check.schema.functions.get(&key);
        let is_trigger = known.is_some_and(|known| known.iter().all(|function| function.is_trigger));
        let again = check.window.in_transaction && check.rest.iter().any(creates);
        if is_trigger || again || check.before.iter().any(creates) {
            continue;
        }
        let rest = if *cascade { ", and CASCADE drops what uses it" } else { "" };
        let written = as_written(check, || "DROP FUNCTION …".to_owned());
        let help = contract(check, FIRST, &written);
        check
            .report(format!("every running release that calls {name} fails once it is dropped{rest}"))
            .help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn routines_that_others_call() {
        fires(
            "drop-routine",
            &[
                "DROP FUNCTION f(int);",
                "DROP FUNCTION a, b.c(text, text) CASCADE;",
                "DROP PROCEDURE IF EXISTS p;",
            ],
        );
        silent(
            "drop-routine",
            &[
                "DROP FUNCTION touch() CASCADE;",
                "DROP FUNCTION f(int); CREATE FUNCTION f(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION f();",
                "DROP AGGREGATE a(int);",
            ],
        );
    }
}

//! # DROP OWNED: everything of a role goes, without being named
//!
//! It drops each table, view, function and schema in the database that the role owns, and takes its privileges away. The migration does not
//! show what is lost, and does something else on every database.
//!
//! REASSIGN OWNED gives the objects to another role first; what is to go is dropped by name. This rule is silent in a migration that
//! carries `-- refit: phase = "contract"` and says why, in a comment of at least three words above its first statement or in
//! a `.md` beside it.
//!
//! Lock: ACCESS EXCLUSIVE on every table of the role. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! CREATE ROLE leaving;
//! DROP OWNED BY leaving;
//! ```
//!
//! ```sql,safe
//! CREATE ROLE leaving;
//! REASSIGN OWNED BY leaving TO CURRENT_USER;
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "drop-owned",
    source: include_str!("drop_owned.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str = "give the objects to another role with REASSIGN OWNED; then, when only privileges are left, a migration that says so:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Other(words) = &check.stmt.kind else { return };
    if !words.starts_with("DROP OWNED") || is_meant(check, None) {
        return;
    }
    let written = as_written(check, || "DROP OWNED BY …".to_owned());
    let help = contract(check, FIRST, &written);
    check
        .report("everything that the role owns is gone at once, and nothing here says what that is")
        .help(help);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_a_role_owns() {
        fires("drop-owned", &["DROP OWNED BY app CASCADE;"]);
        silent(
            "drop-owned",
            &[
                "REASSIGN OWNED BY app TO other;",
                "-- refit: phase = \"contract\"\n-- The role is gone.\nDROP OWNED BY app;",
            ],
        );
    }
}

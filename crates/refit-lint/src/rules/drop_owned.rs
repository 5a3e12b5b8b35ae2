//! # DROP OWNED drops everything a role owns without naming it
//!
//! It drops every table, view, function and schema in the database that the role owns, and revokes its privileges. The
//! migration does not show what is lost, and its effect differs between databases.
//!
//! Use REASSIGN OWNED to give the objects to another role first, and drop unneeded ones by name. Not reported: a
//! migration with `-- refit: phase = "contract"` that gives a reason, in a comment of at least three words above its
//! first statement or in its `.md` file.
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

const FIRST: &str = "give the objects to another role with REASSIGN OWNED; once only privileges are left, use a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Other(words) = &check.stmt.kind else { return };
    if !words.starts_with("DROP OWNED") || is_meant(check, None) {
        return;
    }
    let written = as_written(check, || "DROP OWNED BY …".to_owned());
    let help = contract(check, FIRST, &written);
    check
        .report("everything that the role owns is deleted immediately, and the migration does not show what that is")
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

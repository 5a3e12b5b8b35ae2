//! # DROP SCHEMA drops everything in it without naming it
//!
//! With CASCADE it drops every table, view, function and type of the schema, and columns elsewhere that use its types.
//! The migration does not show what is lost, and a later migration that adds a table to the schema changes what this
//! one does on a new database. Without CASCADE it fails (2BP01) if anything is left.
//!
//! Not reported: a migration with `-- refit: phase = "contract"` that gives a reason, in a comment of at least three
//! words above its first statement or in its `.md` file. Drop each table in it by name, then the empty schema.
//!
//! Lock: ACCESS EXCLUSIVE on every table of the schema, in an unspecified order. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! DROP SCHEMA old CASCADE;
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- Its tables were dropped one by one in 2.0; no search_path names it any more.
//! DROP SCHEMA old;
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;
use crate::words::Words;

pub(super) const RULE: Rule = Rule {
    name: "drop-schema",
    source: include_str!("drop_schema.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str = "drop its tables by name; once no running release uses it, drop the empty schema in a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Drop { what, names, cascade, .. } = &check.stmt.kind else { return };
    if what != "SCHEMA" || is_meant(check, None) {
        return;
    }
    for schema in names {
        let message = match cascade {
            true => {
                format!(
                    "everything in schema {schema} is deleted immediately, and the migration does not show what that is"
                )
            }
            false => format!("every running release that uses schema {schema} fails"),
        };
        // The help drops its contents by name first, so CASCADE is not needed.
        let written = as_written(check, || format!("DROP SCHEMA {schema}"));
        let words = Words::of(&written);
        let cascade = words.find(0, &["CASCADE"]).map(|at| words.all[at].at.start);
        let sql = cascade.map(|at| format!("{};", written[..at].trim_end()));
        let help = contract(check, FIRST, sql.as_deref().unwrap_or(&written));
        check.report(message).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn schemas() {
        fires("drop-schema", &["DROP SCHEMA old;", "DROP SCHEMA IF EXISTS a, b CASCADE;"]);
        silent(
            "drop-schema",
            &[
                "CREATE SCHEMA x;",
                "-- refit: phase = \"contract\"\n-- Nobody needs it.\nDROP SCHEMA old CASCADE;",
            ],
        );
    }
}

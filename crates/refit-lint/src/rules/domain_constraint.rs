//! # Domain constraint that is validated immediately
//!
//! ALTER DOMAIN … ADD CONSTRAINT and SET NOT NULL read every table that has a column of the domain, one after the
//! other. They keep SHARE locks until the end of the transaction: writes to all of these tables wait.
//!
//! NOT VALID skips the scan and takes no lock on any table; new values are checked from then on. SET NOT NULL has no
//! such form, but CHECK (VALUE IS NOT NULL) NOT VALID does. VALIDATE CONSTRAINT of a domain reads the tables under
//! SHARE as well (observed on 14 to 18). If they are large, leave the constraint NOT VALID, or add the condition to the
//! tables as CHECK … NOT VALID and validate it there, which blocks neither reads nor writes.
//!
//! Lock: SHARE on every table that uses the domain, for the whole scan. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER DOMAIN short_text ADD CONSTRAINT short_text_length CHECK (length(VALUE) < 100);
//! ```
//!
//! ```toml,claim
//! lock = "SHARE"
//! table = "labels"
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER DOMAIN short_text ADD CONSTRAINT short_text_length CHECK (length(VALUE) < 100) NOT VALID;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, ConstraintKind, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "domain-constraint",
    source: include_str!("domain_constraint.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::AlterDomain { name, action: AlterAction::AddConstraint(constraint) } = &check.stmt.kind
    else {
        return;
    };
    if constraint.not_valid || check.window.created_types.contains(&name.key()) {
        return;
    }
    let tables = check.schema.tables_with(&name.key());
    let of = match tables.as_slice() {
        [] => format!("every table that has a column of {name}"),
        some => some.join(", "),
    };
    let help = match constraint.kind {
        ConstraintKind::NotNull(_) => format!(
            "add it as a CHECK that applies only to new values:\n\
             ALTER DOMAIN {name} ADD CONSTRAINT {} CHECK (VALUE IS NOT NULL) NOT VALID;",
            super::quoted(&format!("{}_not_null", name.name))
        ),
        _ => {
            let written = check
                .written(check.stmt.span)
                .map_or("ALTER DOMAIN … ADD CONSTRAINT …".to_owned(), str::to_owned);
            format!("add it NOT VALID, so that only new values are checked:\n{written} NOT VALID;")
        }
    };
    let first = tables.first().map(|table| Name::of_key(table, name.span));
    let report =
        check.report(format!("writes to {of} wait until every row is read and the transaction ends"));
    report.help(help);
    if let Some(table) = first {
        report.lock(LockMode::Share, &table);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn conditions_that_look_at_rows() {
        fires(
            "domain-constraint",
            &[
                "ALTER DOMAIN short_text ADD CHECK (VALUE <> '');",
                "ALTER DOMAIN public.short_text SET NOT NULL;",
                "ALTER DOMAIN unknown ADD CONSTRAINT c CHECK (VALUE > 0);",
            ],
        );
        silent(
            "domain-constraint",
            &[
                "ALTER DOMAIN short_text ADD CONSTRAINT c CHECK (VALUE <> '') NOT VALID;",
                "ALTER DOMAIN short_text DROP CONSTRAINT c;",
                "ALTER DOMAIN short_text SET DEFAULT '';",
                "CREATE DOMAIN d AS text; ALTER DOMAIN d ADD CHECK (VALUE <> '');",
            ],
        );
    }
}

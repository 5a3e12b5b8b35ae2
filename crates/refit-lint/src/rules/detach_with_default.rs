//! # DETACH PARTITION CONCURRENTLY fails beside a DEFAULT partition
//!
//! PostgreSQL refuses it (55000): during the detach it could not distinguish rows of the detached partition from rows
//! that the default partition takes.
//!
//! Detach or drop the default partition first, or use DETACH without CONCURRENTLY, which takes ACCESS EXCLUSIVE on the
//! parent and the default partition for a moment.
//!
//! Lock: none is kept, the statement fails. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! -- refit: transaction = false
//! ALTER TABLE readings DETACH PARTITION readings_rest CONCURRENTLY;
//! ```
//!
//! ```toml,claim
//! error = "55000"
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! ALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "detach-with-default",
    source: include_str!("detach_with_default.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Alter { table, actions, .. } = &check.stmt.kind else { return };
    let Some(default) = check.schema.default_partition(table).map(|key| Name::of_key(key, table.span)) else {
        return;
    };
    for (span, action) in actions {
        let AlterAction::DetachPartition { partition, concurrently: true, .. } = action else { continue };
        let message =
            format!("{table} has a default partition, {default}: DETACH … CONCURRENTLY fails (55000)");
        let help = format!(
            "detach it under a short lock, and give the reason why the wait is short:\n\
             -- refit: allow(detach-partition): lock_timeout ends the attempt\n\
             ALTER TABLE {table} DETACH PARTITION {partition};"
        );
        check.report_at(*span, message).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn partitions_beside_a_default_one() {
        fires(
            "detach-with-default",
            &["-- refit: transaction = false\nALTER TABLE readings DETACH PARTITION r_1 CONCURRENTLY;"],
        );
        silent(
            "detach-with-default",
            &[
                "ALTER TABLE readings DETACH PARTITION readings_rest;",
                "-- refit: transaction = false\nALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY;",
            ],
        );
    }
}

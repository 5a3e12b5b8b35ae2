//! # DETACH PARTITION that locks the parent
//!
//! DETACH PARTITION takes ACCESS EXCLUSIVE on the parent. It waits for the longest query on any partition, and every
//! later query of the whole partitioned table waits behind it, until the end of the transaction. DETACH … CONCURRENTLY
//! takes SHARE UPDATE EXCLUSIVE on the parent, marks the partition, waits for transactions that may still see it, and
//! removes it. It cannot run in a transaction, or if the parent has a DEFAULT partition; if it is interrupted, DETACH …
//! FINALIZE completes it. The partition keeps its bounds as a CHECK constraint.
//!
//! Lock: ACCESS EXCLUSIVE on the parent and on the partition, until commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE events DETACH PARTITION events_2025;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "events"
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! ALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::AlterAction;

pub(super) const RULE: Rule = Rule {
    name: "detach-partition",
    source: include_str!("detach_partition.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    for (span, action) in actions {
        let AlterAction::DetachPartition { partition, concurrently: false, finalize: false } = action else {
            continue;
        };
        let help = format!(
            "detach it without blocking queries, in its own migration:\n\
             -- refit: transaction = false\n\
             ALTER TABLE {table} DETACH PARTITION {partition} CONCURRENTLY;"
        );
        let message = format!(
            "reads and writes of {table} and all of its partitions wait until DETACH gets its lock and the transaction ends"
        );
        check.report_at(*span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn partitions_that_leave() {
        fires(
            "detach-partition",
            &["ALTER TABLE events DETACH PARTITION events_2025;", "ALTER TABLE m DETACH PARTITION m_1;"],
        );
        silent(
            "detach-partition",
            &[
                "-- refit: transaction = false\nALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY;",
                "ALTER TABLE events DETACH PARTITION events_2025 FINALIZE;",
                "CREATE TABLE m (a int) PARTITION BY LIST (a); ALTER TABLE m DETACH PARTITION m_1;",
            ],
        );
    }
}

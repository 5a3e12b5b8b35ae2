//! # ATTACH PARTITION that scans
//!
//! ATTACH PARTITION takes ACCESS EXCLUSIVE on the new partition and reads all of it to check that every row is within
//! the bounds. Reads and writes of it wait until the end of the transaction. The parent gets SHARE UPDATE EXCLUSIVE,
//! which blocks neither reads nor writes.
//!
//! A validated CHECK constraint that implies the bounds avoids the scan. For a range, it needs both bounds, and the
//! column must be NOT NULL, or the CHECK must say so. Add it NOT VALID, validate it in the next migration, attach the
//! partition in the one after, then drop the CHECK. The rule accepts any validated CHECK that bounds the partition key;
//! the server decides whether the bounds match.
//!
//! If the parent has a DEFAULT partition, that one is locked and read too, unless a CHECK on it excludes the new
//! bounds.
//!
//! Lock: ACCESS EXCLUSIVE on the new partition, for the whole scan. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "events_2026"
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE events_2026 ADD CONSTRAINT events_2026_bounds
//!     CHECK (at >= '2026-01-01' AND at < '2027-01-01') NOT VALID;
//! -- file: V2__validate_bounds.sql
//! ALTER TABLE events_2026 VALIDATE CONSTRAINT events_2026_bounds;
//! -- file: V3__attach_events_2026.sql
//! ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
//! ```

use super::partition_bounds::within;
use crate::check::StatementCheck;
use crate::effects::proves_bounds;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, AlterTarget, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "attach-partition",
    source: include_str!("attach_partition.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    // A new parent does not make the partition new.
    let StmtKind::Alter { target: AlterTarget::Table, table: parent, actions } = &check.stmt.kind else {
        return;
    };
    for (span, action) in actions {
        let AlterAction::AttachPartition { partition, .. } = action else { continue };
        if check.is_new(partition) || proves_bounds(check.schema, parent, partition) {
            continue;
        }
        let attach = check
            .written(check.stmt.span)
            .map_or("ALTER TABLE … ATTACH PARTITION …".to_owned(), str::to_owned);
        let within = within(check, parent, check.stmt.span);
        let bounds = super::quoted(&format!("{}_bounds", partition.name));
        let help = format!(
            "prove the bounds first, which avoids the scan:\n\
             ALTER TABLE {partition} ADD CONSTRAINT {bounds} CHECK ({within}) NOT VALID;\n\
             -- the next migration:\n\
             ALTER TABLE {partition} VALIDATE CONSTRAINT {bounds};\n\
             -- and the one after:\n\
             {attach};"
        );
        let message = format!(
            "reads and writes of {partition} wait until every row is checked against the bounds and the transaction ends"
        );
        check.report_at(*span, message).lock(LockMode::AccessExclusive, partition).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    fn with_check(check: &str, rest: &str) -> String {
        format!(
            "ALTER TABLE events_2026 ADD CONSTRAINT c CHECK ({check}) NOT VALID;\n-- file: V2__x.sql\n\
             ALTER TABLE events_2026 VALIDATE CONSTRAINT c;\n-- file: V3__x.sql\n{rest}"
        )
    }

    #[test]
    fn partitions_that_are_read() {
        let attach = "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');";
        let other_column = with_check("id > 0 AND id < 9", attach);
        let one_bound = with_check("at >= '2026-01-01'", attach);
        let not_validated = format!(
            "ALTER TABLE events_2026 ADD CONSTRAINT c CHECK (at >= '2026-01-01' AND at < '2027-01-01') NOT VALID;\n\
             -- file: V2__x.sql\n{attach}"
        );
        fires(
            "attach-partition",
            &[
                attach,
                "ALTER TABLE m ATTACH PARTITION m_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');",
                "CREATE TABLE m (at date) PARTITION BY RANGE (at); ALTER TABLE m ATTACH PARTITION old DEFAULT;",
                &other_column,
                &one_bound,
                &not_validated,
            ],
        );
        let proven = with_check("at >= '2026-01-01' AND at < '2027-01-01'", attach);
        let unknown_parent =
            with_check("id = 7", "ALTER TABLE m ATTACH PARTITION events_2026 FOR VALUES IN (7);");
        silent(
            "attach-partition",
            &[
                &proven,
                &unknown_parent,
                "CREATE TABLE m_1 (a int); ALTER TABLE m ATTACH PARTITION m_1 FOR VALUES IN (1);",
                "ALTER INDEX events_note_idx ATTACH PARTITION events_2025_note_idx;",
            ],
        );
    }
}

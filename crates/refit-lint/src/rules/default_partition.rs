//! # A new partition beside a DEFAULT partition scans the latter
//!
//! The DEFAULT partition holds the rows that no other partition takes. CREATE TABLE … PARTITION OF and ATTACH PARTITION
//! lock it with ACCESS EXCLUSIVE and read all of it, to check that none of its rows belongs to the new partition: reads
//! and writes of it wait until the end of the transaction. PARTITION OF also keeps the whole partitioned table locked
//! during that time.
//!
//! A validated CHECK on the default partition that excludes the new bounds avoids the scan. Add it NOT VALID, validate
//! it in the next migration, create the partition in the one after, and drop the CHECK. The rule accepts any validated
//! CHECK that bounds the partition key; the server decides whether the bounds match.
//!
//! Not reported: a default partition that the same migration created.
//!
//! Lock: ACCESS EXCLUSIVE on the default partition, for the whole scan. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "readings_rest"
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE readings_rest ADD CONSTRAINT readings_rest_bounds
//!     CHECK (at >= '2000-01-01' AND at < '2026-01-01') NOT VALID;
//! -- file: V2__validate_bounds.sql
//! ALTER TABLE readings_rest VALIDATE CONSTRAINT readings_rest_bounds;
//! -- file: V3__readings_2026.sql
//! CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
//! ```
//!
//! ```sql,safe
//! ALTER TABLE readings_rest ADD CONSTRAINT readings_rest_bounds
//!     CHECK (at < '2027-01-01' OR at >= '2028-01-01') NOT VALID;
//! -- file: V2__validate_bounds.sql
//! ALTER TABLE readings_rest VALIDATE CONSTRAINT readings_rest_bounds;
//! -- file: V3__readings_2027.sql
//! CREATE TABLE readings_2027 PARTITION OF readings FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
//! ```

use super::partition_bounds::outside;
use crate::check::StatementCheck;
use crate::effects::excludes_bounds;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "default-partition",
    source: include_str!("default_partition.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    match &check.stmt.kind {
        StmtKind::CreateTable(create) if !create.default_partition => {
            if let Some(parent) = &create.partition_of {
                report(check, parent, &create.name);
            }
        }
        StmtKind::Alter { table: parent, actions, .. } => {
            for (_, action) in actions {
                if let AlterAction::AttachPartition { partition, default: false } = action {
                    report(check, parent, partition);
                }
            }
        }
        _ => {}
    }
}

fn report(check: &mut StatementCheck<'_>, parent: &Name, new: &Name) {
    let Some(default) = check.schema.default_partition(parent) else { return };
    let default = Name::of_key(default, parent.span);
    if check.is_new(&default) || excludes_bounds(check.schema, parent, &default) {
        return;
    }
    let outside = outside(check, parent, check.stmt.span);
    let written = check.written(check.stmt.span).map_or("…".to_owned(), str::to_owned);
    let help = format!(
        "prove first that no row of {default} belongs to {new}, which avoids the scan:\n\
         ALTER TABLE {default} ADD CONSTRAINT {bounds} CHECK ({outside}) NOT VALID;\n\
         -- the next migration:\n\
         ALTER TABLE {default} VALIDATE CONSTRAINT {bounds};\n\
         -- and the one after:\n\
         {written};",
        bounds = super::quoted(&format!("{}_bounds", default.name)),
    );
    let message = format!(
        "reads and writes of {default}, the default partition, wait until every row of it is read and the transaction ends"
    );
    check.report(message).lock(LockMode::AccessExclusive, &default).help(help);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn default_partitions_that_are_read() {
        fires(
            "default-partition",
            &[
                "CREATE TABLE r PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
                "CREATE TABLE r (id bigint, at timestamptz NOT NULL);\n\
                 ALTER TABLE readings ATTACH PARTITION r FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
                "ALTER TABLE events ATTACH PARTITION events_rest DEFAULT;\n-- file: V2__x.sql\n\
                 CREATE TABLE e PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
            ],
        );
        silent(
            "default-partition",
            &[
                "CREATE TABLE e PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
                "CREATE TABLE m (a int) PARTITION BY LIST (a); CREATE TABLE rest PARTITION OF m DEFAULT;\n\
                 CREATE TABLE m_1 PARTITION OF m FOR VALUES IN (1);",
                "-- refit: phase = \"contract\"\n-- Its rows were moved.\nDROP TABLE readings_rest;\n-- file: V2__x.sql\n\
                 CREATE TABLE r PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
                "ALTER TABLE readings DETACH PARTITION readings_rest;\n-- file: V2__x.sql\n\
                 CREATE TABLE r PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
            ],
        );
    }
}

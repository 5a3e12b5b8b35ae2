//! The order in which tables are filled: after those that they reference. A cycle is broken at a nullable reference.

use std::collections::BTreeSet;

use super::catalog::{Catalog, ForeignKey, Table};

/// A table to fill.
pub(super) struct Step {
    pub(super) oid: u32,
    /// Referenced tables, as roots of their partition trees, that have no rows yet.
    pub(super) absent: BTreeSet<u32>,
    /// The number of partitions that share the rows.
    pub(super) shares: u32,
    /// Why it cannot be filled.
    pub(super) reason: Option<String>,
}

/// The tables to fill, in order, without those that are done.
pub(super) fn order(catalog: &Catalog, done: &BTreeSet<u32>) -> Vec<Step> {
    let all: Vec<&Table> = catalog.tables.values().filter(|table| takes_rows(catalog, table)).collect();
    let mut open: Vec<&Table> = all.iter().copied().filter(|table| !done.contains(&table.oid)).collect();
    open.sort_by(|a, b| a.name.cmp(&b.name));
    let mut steps = Vec::new();
    while !open.is_empty() {
        let waiting: BTreeSet<u32> = open.iter().map(|table| catalog.root(table.oid)).collect();
        let absent = |table: &Table| -> BTreeSet<u32> {
            let targets = table.foreign_keys.iter().map(|key| catalog.root(key.table));
            targets.filter(|target| waiting.contains(target)).collect()
        };
        let ready = open.iter().position(|table| absent(table).is_empty());
        let could = || {
            open.iter().position(|table| absent(table).iter().all(|target| may_lack(catalog, table, *target)))
        };
        let (at, reason) = match ready.or_else(could) {
            Some(at) => (at, None),
            None => (0, Some(cycle_reason(catalog, open[0], &absent(open[0])))),
        };
        let table = open[at];
        let absent = absent(table);
        let root = catalog.root(table.oid);
        let shares = all.iter().filter(|other| catalog.root(other.oid) == root).count();
        let shares = u32::try_from(shares).unwrap_or(u32::MAX);
        steps.push(Step {
            oid: table.oid,
            absent,
            shares,
            reason: reason.or_else(|| without_partitions(catalog, table)),
        });
        open.remove(at);
    }
    steps
}

/// Whether rows are inserted into this table: plain tables and partitions, but the partitioned table itself for hash
/// partitions.
fn takes_rows(catalog: &Catalog, table: &Table) -> bool {
    let below_hash =
        table.parent.and_then(|parent| catalog.tables.get(&parent)).is_some_and(|parent| parent.by_hash);
    let has_partitions = catalog.tables.values().any(|other| other.parent == Some(table.oid));
    !below_hash && (!table.is_partitioned || table.by_hash || !has_partitions)
}

fn without_partitions(catalog: &Catalog, table: &Table) -> Option<String> {
    let has_partitions = catalog.tables.values().any(|other| other.parent == Some(table.oid));
    (table.is_partitioned && !has_partitions).then(|| "it is partitioned and has no partition".to_owned())
}

/// Whether all references to a table can be NULL.
fn may_lack(catalog: &Catalog, table: &Table, target: u32) -> bool {
    let to_target = |key: &&ForeignKey| catalog.root(key.table) == target;
    table.foreign_keys.iter().filter(to_target).all(|key| can_be_null(table, key))
}

/// Whether a reference can be NULL.
pub(super) fn can_be_null(table: &Table, key: &ForeignKey) -> bool {
    key.columns.iter().any(|number| table.column(*number).is_some_and(|column| !column.not_null))
}

fn cycle_reason(catalog: &Catalog, table: &Table, absent: &BTreeSet<u32>) -> String {
    if absent.contains(&catalog.root(table.oid)) {
        return "it must reference itself and has no rows yet".to_owned();
    }
    let names: Vec<&str> =
        absent.iter().filter_map(|oid| catalog.tables.get(oid)).map(|table| table.name.as_str()).collect();
    format!("it must reference {}, which has no rows yet and depends on it in turn", names.join(", "))
}

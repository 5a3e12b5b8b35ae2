//! Which table is filled when: after those that it refers to. A reference that may be null closes a circle.

use std::collections::BTreeSet;

use super::catalog::{Catalog, ForeignKey, Table};

/// A table to fill.
pub(super) struct Step {
    pub(super) oid: u32,
    /// Tables, as the tops of their partitions, whose rows are not there to refer to yet.
    pub(super) absent: BTreeSet<u32>,
    /// Among how many partitions the rows are shared.
    pub(super) shares: u32,
    /// Why it cannot be filled.
    pub(super) reason: Option<String>,
}

/// The tables that rows go into, in order, without those that are done.
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
            None => (0, Some(circle(catalog, open[0], &absent(open[0])))),
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
            reason: reason.or_else(|| nowhere(catalog, table)),
        });
        open.remove(at);
    }
    steps
}

/// Rows go into tables and partitions; where a hash decides, into the partitioned table.
fn takes_rows(catalog: &Catalog, table: &Table) -> bool {
    let below_hash =
        table.parent.and_then(|parent| catalog.tables.get(&parent)).is_some_and(|parent| parent.by_hash);
    let has_partitions = catalog.tables.values().any(|other| other.parent == Some(table.oid));
    !below_hash && (!table.is_partitioned || table.by_hash || !has_partitions)
}

fn nowhere(catalog: &Catalog, table: &Table) -> Option<String> {
    let has_partitions = catalog.tables.values().any(|other| other.parent == Some(table.oid));
    (table.is_partitioned && !has_partitions).then(|| "it is partitioned and has no partition".to_owned())
}

/// Whether rows can do without what they refer to in a table.
fn may_lack(catalog: &Catalog, table: &Table, target: u32) -> bool {
    let to_target = |key: &&ForeignKey| catalog.root(key.table) == target;
    table.foreign_keys.iter().filter(to_target).all(|key| can_be_null(table, key))
}

/// Whether a reference can be left out.
pub(super) fn can_be_null(table: &Table, key: &ForeignKey) -> bool {
    key.columns.iter().any(|number| table.column(*number).is_some_and(|column| !column.not_null))
}

fn circle(catalog: &Catalog, table: &Table, absent: &BTreeSet<u32>) -> String {
    let names: Vec<&str> =
        absent.iter().filter_map(|oid| catalog.tables.get(oid)).map(|table| table.name.as_str()).collect();
    let names =
        if absent.contains(&catalog.root(table.oid)) { "itself".to_owned() } else { names.join(", ") };
    format!("it must refer to {names}, which has no rows yet and waits for it in turn")
}

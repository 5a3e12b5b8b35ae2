//! The effects of a statement on tables besides catalog changes: the locks it takes, and what it reads or writes while
//! it holds them.
//!
//! There is one implementation for all uses: rules report the effects, the lock window accumulates them, and a trace
//! compares them with the server. The proof test verifies them on PostgreSQL 14 to 18.

mod alter;
mod bounds;
mod type_change;
mod volatility;

pub use bounds::{excludes_bounds, proves_bounds};
pub use type_change::{TypeChange, column_change, type_change};
pub use volatility::{Volatility, volatility};

use crate::dml::{Bound, classify};
use crate::lock::LockMode;
use crate::schema::Schema;
use crate::sql::{AlterAction, ConstraintKind, CreateTable, DmlKind, FromItem, Name, Query, Stmt, StmtKind};

/// Locks and work of one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Locks, in the order they are taken.
    pub locks: Vec<(Name, LockMode)>,
    /// Work that takes time in proportion to a table.
    pub work: Vec<(Name, Work)>,
}

/// Work in proportion to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Every row is read.
    Scan,
    /// An index is built.
    IndexBuild,
    /// An unknown number of rows is changed.
    RowChange,
    /// The table and its indexes are rewritten.
    Rewrite,
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Work::Scan => "reads every row",
            Work::IndexBuild => "builds an index",
            Work::RowChange => "changes an unknown number of rows",
            Work::Rewrite => "rewrites the table",
        })
    }
}

impl Effects {
    fn lock(&mut self, table: &Name, mode: LockMode) {
        self.locks.push((table.clone(), mode));
    }

    fn work(&mut self, table: &Name, work: Work) {
        self.work.push((table.clone(), work));
    }

    /// The strongest lock on a table.
    pub fn lock_on(&self, table: &Name) -> Option<LockMode> {
        let key = table.key_ref();
        self.locks.iter().filter(|(locked, _)| locked.key_ref() == key).map(|(_, mode)| *mode).max()
    }
}

/// The effects of a statement, given the schema before it and the major version of the server.
pub fn effects(stmt: &Stmt, schema: &Schema, postgres: u32) -> Effects {
    let mut effects = Effects::default();
    match &stmt.kind {
        StmtKind::CreateTable(create) => create_table(create, schema, &mut effects),
        StmtKind::CreateTableAs { query, .. } => reads(query, &mut effects),
        StmtKind::Alter { target, table, actions } => {
            let after = schema.after_drops(table, actions);
            for (_, action) in actions {
                let schema = if action.is_drop() { schema } else { &*after };
                alter::action(*target, table, action, schema, postgres, &mut effects);
            }
        }
        StmtKind::CreateIndex(index) => {
            effects.lock(
                &index.table,
                if index.concurrently { LockMode::ShareUpdateExclusive } else { LockMode::Share },
            );
            if !index.only || !schema.is_partitioned(&index.table) {
                effects.work(&index.table, Work::IndexBuild);
            }
        }
        StmtKind::Drop { what, names, concurrently, .. } => {
            drops(what, names, *concurrently, schema, &mut effects)
        }
        StmtKind::Reindex { what, name: Some(name), concurrently } => {
            reindex(what, name, *concurrently, schema, &mut effects);
        }
        StmtKind::Dml(_) | StmtKind::Select(_) => changes(&stmt.kind, schema, &mut effects),
        StmtKind::Truncate { tables, cascade } => {
            tables.iter().for_each(|table| effects.lock(table, LockMode::AccessExclusive));
            if *cascade {
                referring(tables, schema)
                    .iter()
                    .for_each(|table| effects.lock(table, LockMode::AccessExclusive));
            }
        }
        StmtKind::Lock { tables, mode } => {
            let mode = LockMode::parse(mode).unwrap_or(LockMode::AccessExclusive);
            tables.iter().for_each(|table| effects.lock(table, mode));
        }
        StmtKind::Vacuum { full, tables } => {
            for table in tables {
                effects.lock(
                    table,
                    if *full { LockMode::AccessExclusive } else { LockMode::ShareUpdateExclusive },
                );
                effects.work(table, if *full { Work::Rewrite } else { Work::Scan });
            }
        }
        StmtKind::Cluster { table: Some(table) } => rewritten(table, &mut effects),
        StmtKind::Refresh { view, concurrently, no_data } => {
            effects.lock(view, if *concurrently { LockMode::Exclusive } else { LockMode::AccessExclusive });
            if !no_data {
                effects.work(view, if *concurrently { Work::RowChange } else { Work::Rewrite });
            }
        }
        StmtKind::AlterDomain { name, action } => alter_domain(name, action, schema, &mut effects),
        StmtKind::TableRule { table, .. } => effects.lock(table, LockMode::AccessExclusive),
        StmtKind::AlterComposite { name, retypes: true } => {
            for table in
                schema.tables.iter().filter(|(_, table)| table.of_type.as_deref() == Some(&name.key()))
            {
                rewritten(&Name::of_key(table.0, name.span), &mut effects);
            }
        }
        StmtKind::CreateTrigger { table, .. } => effects.lock(table, LockMode::ShareRowExclusive),
        StmtKind::CreateView { query, materialized: true, no_data: false, .. } => reads(query, &mut effects),
        _ => {}
    }
    effects
}

fn rewritten(table: &Name, effects: &mut Effects) {
    effects.lock(table, LockMode::AccessExclusive);
    effects.work(table, Work::Rewrite);
}

fn create_table(create: &CreateTable, schema: &Schema, effects: &mut Effects) {
    let inline = create.columns.iter().flat_map(|column| &column.constraints);
    for constraint in create.constraints.iter().chain(inline) {
        if let ConstraintKind::ForeignKey { table, .. } = &constraint.kind
            && table.key_ref() != create.name.key_ref()
        {
            effects.lock(table, LockMode::ShareRowExclusive);
        }
    }
    if let Some(parent) = &create.partition_of {
        effects.lock(parent, LockMode::AccessExclusive);
        // Its foreign keys also apply to the partition.
        let referenced = schema.references(parent).filter(|other| other.key() != parent.key());
        referenced.for_each(|other| effects.lock(other, LockMode::ShareRowExclusive));
        if !create.default_partition {
            beside_default(parent, &create.name, schema, effects);
        }
    }
}

/// The default partition is read, because it may contain rows that belong in the new partition.
pub(super) fn beside_default(parent: &Name, new: &Name, schema: &Schema, effects: &mut Effects) {
    let Some(default) = schema.default_partition(parent).filter(|default| **default != new.key()) else {
        return;
    };
    let default = Name::of_key(default, parent.span);
    effects.lock(&default, LockMode::AccessExclusive);
    if !excludes_bounds(schema, parent, &default) {
        effects.work(&default, Work::Scan);
    }
}

/// The tables whose foreign keys reference the given ones, directly or indirectly.
fn referring(tables: &[Name], schema: &Schema) -> Vec<Name> {
    let mut found: Vec<Name> = tables.to_vec();
    let mut next = 0;
    while next < found.len() {
        let more: Vec<Name> = schema
            .referrers(&found[next])
            .map(|(key, _)| Name::of_key(key, found[next].span))
            .filter(|name| found.iter().all(|known| known.key() != name.key()))
            .collect();
        found.extend(more);
        next += 1;
    }
    found.sort_by_key(Name::key);
    found.dedup_by_key(|name| name.key());
    found.retain(|name| tables.iter().all(|table| table.key() != name.key()));
    found
}

fn reindex(what: &str, name: &Name, concurrently: bool, schema: &Schema, effects: &mut Effects) {
    let table = match what {
        "INDEX" => schema.indexes.get(&name.key()).map(|index| Name::of_key(&index.table, name.span)),
        _ => None,
    };
    let table = table.unwrap_or_else(|| name.clone());
    effects.lock(&table, if concurrently { LockMode::ShareUpdateExclusive } else { LockMode::Share });
    if schema.may_have_indexes(&table) {
        effects.work(&table, Work::IndexBuild);
    }
}

fn changes(kind: &StmtKind, schema: &Schema, effects: &mut Effects) {
    for change in kind.changes() {
        let dml = change.dml;
        effects.lock(&dml.table, LockMode::RowExclusive);
        if let Bound::Unbounded(_) = classify(&change, schema) {
            effects.work(&dml.table, Work::RowChange);
        }
        if let (DmlKind::Insert, Some(source)) = (dml.kind, &dml.source) {
            reads(source, effects);
        }
    }
}

/// A domain constraint is checked in every column that uses the domain. NOT VALID skips the check.
fn alter_domain(domain: &Name, action: &AlterAction, schema: &Schema, effects: &mut Effects) {
    let looks = match action {
        AlterAction::AddConstraint(constraint) => !constraint.not_valid,
        AlterAction::ValidateConstraint(_) => true,
        _ => false,
    };
    if looks {
        for table in schema.tables_with(&domain.key()) {
            let table = Name::of_key(table, domain.span);
            effects.lock(&table, LockMode::Share);
            effects.work(&table, Work::Scan);
        }
    }
}

fn reads(query: &Query, effects: &mut Effects) {
    let mut tables = Vec::new();
    query.walk(&mut |part| {
        for item in &part.from {
            if let FromItem::Table { name, .. } = item {
                tables.push(name.clone());
            }
        }
    });
    tables.iter().for_each(|table| effects.lock(table, LockMode::AccessShare));
}

fn drops(what: &str, names: &[Name], concurrently: bool, schema: &Schema, effects: &mut Effects) {
    for name in names {
        match what {
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "TRIGGER" | "POLICY" | "RULE" => {
                effects.lock(name, LockMode::AccessExclusive);
                if what == "TABLE" {
                    drops_partition(name, schema, effects);
                    for (other, _) in schema.referrers(name) {
                        effects.lock(&Name::of_key(other, name.span), LockMode::AccessExclusive);
                    }
                }
                // Its foreign keys also have triggers on the tables that they reference.
                let referenced =
                    schema.references(name).filter(|other| what == "TABLE" && other.key() != name.key());
                referenced.for_each(|other| effects.lock(other, LockMode::AccessExclusive));
            }
            "INDEX" => {
                let table = schema
                    .indexes
                    .get(&name.key())
                    .map_or_else(|| name.clone(), |index| Name::of_key(&index.table, name.span));
                let mode =
                    if concurrently { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
                effects.lock(&table, mode);
            }
            _ => {}
        }
    }
}

/// The parent of a partition has to release it, and its default partition may then take more rows.
fn drops_partition(name: &Name, schema: &Schema, effects: &mut Effects) {
    let Some(parent) = schema.table(name).and_then(|table| table.partition_of.as_deref()) else { return };
    let parent = Name::of_key(parent, name.span);
    effects.lock(&parent, LockMode::AccessExclusive);
    if let Some(default) = schema.default_partition(&parent).filter(|default| **default != name.key()) {
        effects.lock(&Name::of_key(default, name.span), LockMode::AccessExclusive);
    }
}

//! The effects of ALTER TABLE, action by action (manual, ALTER TABLE, "Notes").

use super::{
    Effects, TypeChange, Volatility, Work, beside_default, column_change, proves_bounds, volatility,
};
use crate::lock::LockMode;
use crate::schema::{ConstraintDef, ConstraintType, IndexDef, Schema};
use crate::sql::{
    AlterAction, AlterTarget, Column, ColumnChange, Constraint, ConstraintKind, Generated, Name,
};

pub(super) fn action(
    target: AlterTarget,
    table: &Name,
    action: &AlterAction,
    schema: &Schema,
    postgres: u32,
    effects: &mut Effects,
) {
    match (target, action) {
        (AlterTarget::Index, AlterAction::SetTablespace) => {
            effects.work(table, Work::IndexBuild);
            return effects.lock(table, LockMode::AccessExclusive);
        }
        (AlterTarget::Index, _) => return effects.lock(table, LockMode::ShareUpdateExclusive),
        (AlterTarget::Sequence, _) => return effects.lock(table, LockMode::ShareRowExclusive),
        _ => {}
    }
    let before = effects.locks.len();
    match action {
        AlterAction::AddColumn { column, .. } => add_column(table, column, schema, postgres, effects),
        AlterAction::AlterColumn { change: ColumnChange::Parameters, .. } => {
            effects.lock(table, LockMode::ShareUpdateExclusive);
        }
        AlterAction::DropConstraint(name) => drop_constraint(table, name, schema, effects),
        AlterAction::AlterColumn { column, change } => change_column(table, column, change, schema, effects),
        AlterAction::DropColumn(column) => {
            effects.lock(table, LockMode::AccessExclusive);
            other_sides(table, column, schema)
                .iter()
                .for_each(|other| effects.lock(other, LockMode::AccessExclusive));
        }
        AlterAction::AddConstraint(constraint) => add_constraint(table, constraint, schema, effects),
        AlterAction::ValidateConstraint(name) => {
            effects.lock(table, LockMode::ShareUpdateExclusive);
            effects.work(table, Work::Scan);
            // A foreign key looks up rows in the referenced table.
            let known = schema.constraint(table, name).and_then(|known| known.references.as_ref());
            if let Some(referenced) = known {
                effects.lock(referenced, LockMode::RowShare);
            }
        }
        AlterAction::AttachPartition { partition, default } => {
            effects.lock(table, LockMode::ShareUpdateExclusive);
            if !default {
                beside_default(table, partition, schema, effects);
            }
            effects.lock(partition, LockMode::AccessExclusive);
            attached(table, partition, schema, effects);
        }
        AlterAction::DetachPartition { partition, concurrently, finalize } => {
            detached(table, partition, *concurrently || *finalize, schema, effects);
        }
        AlterAction::Trigger { .. } => effects.lock(table, LockMode::ShareRowExclusive),
        // The action has no effect.
        AlterAction::SetLogged(logged)
            if schema.table(table).is_some_and(|known| known.complete && known.unlogged != *logged) => {}
        // A partitioned table has no rows of its own.
        AlterAction::SetLogged(_) | AlterAction::SetTablespace | AlterAction::SetAccessMethod
            if !schema.is_partitioned(table) =>
        {
            effects.work(table, Work::Rewrite);
        }
        AlterAction::Parameters => effects.lock(table, LockMode::ShareUpdateExclusive),
        _ => {}
    }
    // ACCESS EXCLUSIVE unless explicitly noted, according to the manual.
    let noted = effects.locks[before..].iter().any(|(locked, _)| locked.key() == table.key());
    if !noted {
        effects.lock(table, LockMode::AccessExclusive);
    }
}

/// A foreign key has triggers on both tables, whether it is dropped itself or with the key that it references.
fn drop_constraint(table: &Name, name: &str, schema: &Schema, effects: &mut Effects) {
    effects.lock(table, LockMode::AccessExclusive);
    let Some(known) = schema.constraint(table, name) else { return };
    if let Some(referenced) = known.references.as_ref().filter(|referenced| referenced.key() != table.key()) {
        effects.lock(referenced, LockMode::AccessExclusive);
    }
    for (other, foreign_key) in schema.referrers(table) {
        let refers = match known.kind {
            ConstraintType::PrimaryKey => {
                foreign_key.referenced.is_empty() || foreign_key.referenced == known.columns
            }
            ConstraintType::Unique => foreign_key.referenced == known.columns,
            _ => false,
        };
        if refers {
            effects.lock(&Name::of_key(other, table.span), LockMode::AccessExclusive);
        }
    }
}

fn detached(table: &Name, partition: &Name, gentle: bool, schema: &Schema, effects: &mut Effects) {
    let mode = if gentle { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
    effects.lock(table, mode);
    effects.lock(partition, LockMode::AccessExclusive);
    if !gentle && let Some(default) = schema.default_partition(table) {
        effects.lock(&Name::of_key(default, table.span), LockMode::AccessExclusive);
    }
}

fn add_column(table: &Name, column: &Column, schema: &Schema, postgres: u32, effects: &mut Effects) {
    effects.lock(table, LockMode::AccessExclusive);
    if column_rewrites(column, schema, postgres) {
        effects.work(table, Work::Rewrite);
    }
    for constraint in &column.constraints {
        match &constraint.kind {
            ConstraintKind::Check(_) => effects.work(table, Work::Scan),
            ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } => {
                effects.work(table, Work::IndexBuild)
            }
            ConstraintKind::ForeignKey { table: referenced, .. } => {
                effects.lock(referenced, LockMode::ShareRowExclusive);
                // Without a value in existing rows, there is nothing to look up.
                if column.has_values() {
                    effects.work(table, Work::Scan);
                }
            }
            _ => {}
        }
    }
}

/// Whether adding a column rewrites every row: it has a value that differs between rows, or a domain that must be
/// checked.
pub(crate) fn column_rewrites(column: &Column, schema: &Schema, _postgres: u32) -> bool {
    let volatile =
        column.default.as_ref().is_some_and(|default| volatility(default, schema) == Volatility::Volatile);
    let domain = column
        .data_type
        .as_ref()
        .and_then(|kind| schema.domain(kind))
        .is_some_and(|domain| domain.constrained);
    column.has_sequence() || volatile || domain || column.generated == Some(Generated::Stored)
}

fn change_column(table: &Name, column: &str, change: &ColumnChange, schema: &Schema, effects: &mut Effects) {
    effects.lock(table, LockMode::AccessExclusive);
    match change {
        ColumnChange::Type { to, using, collate } => {
            match column_change(schema, table, column, to, using.as_ref(), *collate) {
                TypeChange::Free => {}
                TypeChange::Recheck => effects.work(table, Work::Scan),
                TypeChange::Reindex => effects.work(table, Work::IndexBuild),
                TypeChange::Rewrite | TypeChange::Unknown => {
                    effects.work(table, Work::Rewrite);
                    // Values of a new type are compared again, from either side.
                    for other in other_sides(table, column, schema) {
                        effects.work(&other, Work::Scan);
                    }
                }
            }
            other_sides(table, column, schema)
                .iter()
                .for_each(|other| effects.lock(other, LockMode::AccessExclusive));
        }
        ColumnChange::SetNotNull => {
            let known = schema.column(table, column).is_some_and(|known| known.not_null);
            if !known && !schema.proves_not_null(table, column) {
                effects.work(table, Work::Scan);
            }
        }
        ColumnChange::SetExpression if !is_virtual(table, column, schema) => {
            effects.work(table, Work::Rewrite)
        }
        _ => {}
    }
}

/// The foreign keys of other tables that reference a column.
fn referring<'a>(
    table: &'a Name,
    column: &'a str,
    schema: &'a Schema,
) -> impl Iterator<Item = (&'a str, &'a ConstraintDef)> {
    schema.referrers(table).filter(move |(_, constraint)| schema.is_referenced(constraint, table, column))
}

/// The tables at the other ends of the foreign keys that a column is part of: these keys are dropped or rebuilt.
pub(crate) fn other_sides(table: &Name, column: &str, schema: &Schema) -> Vec<Name> {
    let own = schema.table(table).into_iter().flat_map(|known| &known.constraints);
    let own = own.filter(|constraint| constraint.columns.iter().any(|known| **known == *column));
    let mut others: Vec<Name> =
        own.filter_map(|constraint| constraint.references.as_deref().cloned()).collect();
    others.extend(referring(table, column, schema).map(|(other, _)| Name::of_key(other, table.span)));
    others.retain(|other| other.key() != table.key());
    others.sort_by_key(Name::key);
    others.dedup_by_key(|other| other.key());
    others
}

/// The indexes and foreign keys of its parent that a table gets as a partition and does not have yet.
fn attached(parent: &Name, partition: &Name, schema: &Schema, effects: &mut Effects) {
    if !proves_bounds(schema, parent, partition) {
        effects.work(partition, Work::Scan);
    }
    let (of, key) = (parent.key(), partition.key());
    let has = |required: &IndexDef| {
        let mut own = schema.indexes.values().filter(|index| index.table == key);
        own.any(|index| {
            index.columns == required.columns
                && index.unique == required.unique
                && index.partial == required.partial
        })
    };
    if schema.indexes.values().any(|index| index.table == of && !has(index)) {
        effects.work(partition, Work::IndexBuild);
    }
    let known = |table: &Name| schema.table(table).map_or(&[][..], |known| &known.constraints);
    for required in known(parent).iter().filter(|constraint| constraint.kind == ConstraintType::ForeignKey) {
        let Some(referenced) = required.references.as_deref() else { continue };
        let same = |own: &ConstraintDef| {
            own.columns == required.columns
                && own.references.as_ref().is_some_and(|name| name.key() == referenced.key())
        };
        if !known(partition).iter().any(same) {
            effects.work(partition, Work::Scan);
        }
        effects.lock(referenced, LockMode::ShareRowExclusive);
    }
}

/// Whether a generated column is virtual, that is, computed when it is read.
fn is_virtual(table: &Name, column: &str, schema: &Schema) -> bool {
    schema.column(table, column).is_some_and(|known| known.generated == Some(Generated::Virtual))
}

fn add_constraint(table: &Name, constraint: &Constraint, schema: &Schema, effects: &mut Effects) {
    match &constraint.kind {
        ConstraintKind::ForeignKey { table: referenced, .. } => {
            effects.lock(table, LockMode::ShareRowExclusive);
            effects.lock(referenced, LockMode::ShareRowExclusive);
            if !constraint.not_valid {
                effects.work(table, Work::Scan);
            }
        }
        ConstraintKind::Check(_) | ConstraintKind::NotNull(_) if !constraint.not_valid => {
            effects.lock(table, LockMode::AccessExclusive);
            effects.work(table, Work::Scan);
        }
        ConstraintKind::Unique { using_index: None, .. }
        | ConstraintKind::PrimaryKey { using_index: None, .. }
        | ConstraintKind::Exclude => {
            effects.lock(table, LockMode::AccessExclusive);
            effects.work(table, Work::IndexBuild);
        }
        ConstraintKind::PrimaryKey { using_index: Some(index), .. } => {
            effects.lock(table, LockMode::AccessExclusive);
            if !index_is_not_null(table, index, schema) {
                effects.work(table, Work::Scan);
            }
        }
        _ => effects.lock(table, LockMode::AccessExclusive),
    }
}

/// Whether all columns of an index are known to be NOT NULL, so that a primary key over it needs no scan.
pub(crate) fn index_is_not_null(table: &Name, index: &Name, schema: &Schema) -> bool {
    let key = Name { schema: table.schema.clone(), ..index.clone() }.key();
    schema.indexes.get(&key).is_some_and(|index| {
        index.columns.iter().all(|column| {
            column.as_deref().is_some_and(|column| {
                schema.column(table, column).is_some_and(|known| known.not_null)
                    || schema.proves_not_null(table, column)
            })
        })
    })
}

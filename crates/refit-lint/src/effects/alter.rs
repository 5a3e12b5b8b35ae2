//! The effects of ALTER TABLE, action by action (manual, ALTER TABLE, "Notes").

use super::{Effects, TypeChange, Volatility, Work, column_change, proves_bounds, volatility};
use crate::lock::LockMode;
use crate::schema::Schema;
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
        AlterAction::DropConstraint(name) => {
            effects.lock(table, LockMode::AccessExclusive);
            // The triggers of a foreign key are on both tables.
            let known = schema.constraint(table, name).and_then(|known| known.references.as_ref());
            if let Some(referenced) = known.filter(|referenced| referenced.key() != table.key()) {
                effects.lock(referenced, LockMode::AccessExclusive);
            }
        }
        AlterAction::AlterColumn { column, change } => change_column(table, column, change, schema, effects),
        AlterAction::AddConstraint(constraint) => add_constraint(table, constraint, schema, effects),
        AlterAction::ValidateConstraint(name) => {
            effects.lock(table, LockMode::ShareUpdateExclusive);
            effects.work(table, Work::Scan);
            // Rows are looked up in the table that a foreign key refers to.
            let known = schema.constraint(table, name).and_then(|known| known.references.as_ref());
            if let Some(referenced) = known {
                effects.lock(referenced, LockMode::RowShare);
            }
        }
        AlterAction::AttachPartition { partition, .. } => {
            effects.lock(table, LockMode::ShareUpdateExclusive);
            effects.lock(partition, LockMode::AccessExclusive);
            if !proves_bounds(schema, table, partition) {
                effects.work(partition, Work::Scan);
            }
        }
        AlterAction::DetachPartition { partition, concurrently, finalize } => {
            let gentle = *concurrently || *finalize;
            let mode = if gentle { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
            effects.lock(table, mode);
            effects.lock(partition, LockMode::AccessExclusive);
        }
        AlterAction::Trigger { .. } => effects.lock(table, LockMode::ShareRowExclusive),
        // A partitioned table has no rows of its own.
        AlterAction::SetLogged(_) | AlterAction::SetTablespace | AlterAction::SetAccessMethod
            if !schema.is_partitioned(table) =>
        {
            effects.work(table, Work::Rewrite);
        }
        AlterAction::Parameters => effects.lock(table, LockMode::ShareUpdateExclusive),
        _ => {}
    }
    // ACCESS EXCLUSIVE unless explicitly noted, as the manual says.
    let noted = effects.locks[before..].iter().any(|(locked, _)| locked.key() == table.key());
    if !noted {
        effects.lock(table, LockMode::AccessExclusive);
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
            }
            _ => {}
        }
    }
}

/// Whether adding a column writes every row: it has a value that differs from row to row, or a domain that must be checked.
pub(crate) fn column_rewrites(column: &Column, schema: &Schema, _postgres: u32) -> bool {
    let type_name = column.data_type.as_ref().map_or("", |kind| kind.name.as_str());
    let serial = matches!(type_name, "serial" | "bigserial" | "smallserial");
    let volatile =
        column.default.as_ref().is_some_and(|default| volatility(default, schema) == Volatility::Volatile);
    let domain = column
        .data_type
        .as_ref()
        .and_then(|kind| schema.domain(kind))
        .is_some_and(|domain| domain.constrained);
    serial || volatile || domain || matches!(column.generated, Some(Generated::Identity | Generated::Stored))
}

fn change_column(table: &Name, column: &str, change: &ColumnChange, schema: &Schema, effects: &mut Effects) {
    effects.lock(table, LockMode::AccessExclusive);
    match change {
        ColumnChange::Type { to, using, collate } => {
            match column_change(schema, table, column, to, using.as_ref(), *collate) {
                TypeChange::Free => {}
                TypeChange::Recheck => effects.work(table, Work::Scan),
                TypeChange::Reindex => effects.work(table, Work::IndexBuild),
                TypeChange::Rewrite | TypeChange::Unknown => effects.work(table, Work::Rewrite),
            }
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

/// Whether a generated column is computed when it is read.
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

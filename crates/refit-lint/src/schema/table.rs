//! The effect of each action on a table.

use std::sync::Arc;

use super::names::{free_name, made_up_name, only_column};
use super::shared::Shared;
use super::{ColumnDef, ConstraintDef, ConstraintType, Table, names_column};
use crate::sql::{AlterAction, Column, ColumnChange, Constraint, ConstraintKind, DataType};

impl Table {
    pub(super) fn add_column(&mut self, table: &str, column: &Column, shared: &mut Shared) {
        let data_type = match column.serial_base() {
            Some(base) => Some(DataType { name: base.to_owned(), ..DataType::default() })
                .as_ref()
                .map(|kind| shared.data_type(kind)),
            None => column.data_type.as_ref().map(|kind| shared.data_type(kind)),
        };
        let not_null = column.has_sequence();
        self.columns.insert(
            shared.name(&column.name),
            ColumnDef { data_type, not_null, generated: column.generated },
        );
        for constraint in &column.constraints {
            self.add_constraint(table, constraint, Some(&column.name), shared);
        }
    }

    /// Adds a constraint; `column` is the column it is written on.
    pub(super) fn add_constraint(
        &mut self,
        table: &str,
        constraint: &Constraint,
        column: Option<&str>,
        shared: &mut Shared,
    ) {
        let mut own = |columns: &[String]| -> Vec<Arc<str>> {
            match column {
                Some(column) if columns.is_empty() => vec![shared.name(column)],
                _ => columns.iter().map(|column| shared.name(column)).collect(),
            }
        };
        let (kind, columns, check) = match &constraint.kind {
            ConstraintKind::NotNull(named) => {
                let name = shared.name(named.as_deref().or(column).unwrap_or_default());
                if !constraint.not_valid {
                    self.columns.entry(Arc::clone(&name)).or_default().not_null = true;
                }
                (ConstraintType::NotNull, vec![name], None)
            }
            ConstraintKind::Null => return,
            ConstraintKind::Check(check) => {
                (ConstraintType::Check, own(&only_column(check)), Some(Arc::clone(check)))
            }
            ConstraintKind::Unique { columns, .. } => (ConstraintType::Unique, own(columns), None),
            ConstraintKind::PrimaryKey { columns, .. } => {
                let key = own(columns);
                for column in &key {
                    self.columns.entry(Arc::clone(column)).or_default().not_null = true;
                }
                (ConstraintType::PrimaryKey, key, None)
            }
            ConstraintKind::ForeignKey { columns, .. } => (ConstraintType::ForeignKey, own(columns), None),
            ConstraintKind::Exclude => (ConstraintType::Exclude, Vec::new(), None),
        };
        let name = constraint.name.clone().unwrap_or_else(|| {
            let taken = self.constraints.iter().map(|known| known.name.as_str());
            free_name(made_up_name(table, kind, &columns), taken)
        });
        let (references, referenced) = match &constraint.kind {
            ConstraintKind::ForeignKey { table, referenced, .. } => {
                (Some(Box::new(table.clone())), referenced.iter().map(|column| shared.name(column)).collect())
            }
            _ => (None, Vec::new()),
        };
        let validated = !constraint.not_valid;
        self.constraints.push(ConstraintDef {
            name,
            kind,
            columns,
            check,
            references,
            referenced,
            validated,
        });
    }

    pub(super) fn alter(
        &mut self,
        name: &str,
        action: &AlterAction,
        using_index: Option<Vec<String>>,
        shared: &mut Shared,
    ) {
        match action {
            AlterAction::SetLogged(logged) => self.unlogged = !logged,
            AlterAction::AddColumn { column, .. } => self.add_column(name, column, shared),
            AlterAction::DropColumn(column) => {
                self.columns.remove(column.as_str());
                self.constraints.retain(|constraint| {
                    !constraint.columns.iter().any(|known| **known == **column)
                        && !constraint.check.as_ref().is_some_and(|check| names_column(check, column))
                });
            }
            AlterAction::AlterColumn { column, change } => self.change_column(column, change, shared),
            AlterAction::AddConstraint(constraint) => {
                self.add_constraint(name, constraint, None, shared);
                if let (Some(columns), Some(added)) = (using_index, self.constraints.last_mut()) {
                    added.columns = columns.iter().map(|column| shared.name(column)).collect();
                }
            }
            AlterAction::ValidateConstraint(constraint) => {
                let found = self.constraints.iter_mut().filter(|known| known.name == *constraint);
                for known in found {
                    known.validated = true;
                    if known.kind == ConstraintType::NotNull
                        && let Some(column) = known.columns.first()
                    {
                        self.columns.entry(Arc::clone(column)).or_default().not_null = true;
                    }
                }
            }
            AlterAction::DropConstraint(constraint) => {
                self.constraints.retain(|known| known.name != *constraint)
            }
            AlterAction::RenameColumn { from, to } => {
                let to = shared.name(to);
                if let Some(column) = self.columns.remove(from.as_str()) {
                    self.columns.insert(Arc::clone(&to), column);
                }
                for constraint in &mut self.constraints {
                    constraint
                        .columns
                        .iter_mut()
                        .filter(|column| ***column == **from)
                        .for_each(|column| column.clone_from(&to));
                }
            }
            _ => {}
        }
    }

    fn change_column(&mut self, column: &str, change: &ColumnChange, shared: &mut Shared) {
        let known = self.columns.entry(shared.name(column)).or_default();
        match change {
            ColumnChange::Type { to, .. } => known.data_type = Some(shared.data_type(to)),
            ColumnChange::SetNotNull => known.not_null = true,
            ColumnChange::DropNotNull => known.not_null = false,
            _ => {}
        }
    }
}

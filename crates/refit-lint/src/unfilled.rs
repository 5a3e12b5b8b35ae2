//! Columns that were added without a value to a table that may have rows, and that no later statement of the set has
//! filled.
//!
//! In case of doubt, a column counts as filled: code that cannot be analyzed may have filled it.

use std::collections::HashSet;

use crate::engine::nested;
use crate::schema::Schema;
use crate::sql::{AlterAction, AlterTarget, ColumnChange, DmlKind, Name, Stmt, StmtKind};
use crate::window::Window;

/// The columns, each with the key of its table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfilled(HashSet<(String, String)>);

impl Unfilled {
    /// Whether a column is unfilled.
    pub(crate) fn contains(&self, table: &Name, column: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&(table.key(), column.to_owned()))
    }

    /// Takes a statement into account, with the schema and window before it.
    pub(crate) fn advance(&mut self, stmt: &Stmt, schema: &Schema, window: &Window) {
        if let StmtKind::Alter { target: AlterTarget::Table, table, actions } = &stmt.kind {
            for (_, action) in actions {
                self.alter(table, action, schema, window);
            }
        }
        if !self.0.is_empty() {
            self.changes(stmt, schema);
        }
    }

    fn alter(&mut self, table: &Name, action: &AlterAction, schema: &Schema, window: &Window) {
        let key = table.key();
        match action {
            AlterAction::AddColumn { column, .. } => {
                let is_there = schema.column(table, &column.name).is_some();
                if !column.has_values() && !is_there && !window.created.contains(&key) {
                    self.0.insert((key, column.name.clone()));
                }
            }
            AlterAction::DropColumn(column)
            | AlterAction::RenameColumn { from: column, .. }
            | AlterAction::AlterColumn { column, change: ColumnChange::Type { .. } } => {
                self.0.remove(&(key, column.clone()));
            }
            AlterAction::RenameTo(_) | AlterAction::SetSchema(_) => self.forget(&key),
            _ => {}
        }
    }

    /// Removes the columns that a statement, or one that it runs, may have filled.
    fn changes(&mut self, stmt: &Stmt, schema: &Schema) {
        for part in nested(stmt, schema) {
            for change in part.stmt.kind.changes() {
                let key = change.dml.table.key();
                match change.dml.kind {
                    DmlKind::Update => {
                        for (column, _) in &change.dml.columns {
                            self.0.remove(&(key.clone(), column.clone()));
                        }
                    }
                    // The remaining rows may be none, or others.
                    _ => self.forget(&key),
                }
            }
            match &part.stmt.kind {
                StmtKind::Truncate { tables, .. } => {
                    tables.iter().for_each(|table| self.forget(&table.key()))
                }
                StmtKind::Drop { names, .. } => names.iter().for_each(|name| self.forget(&name.key())),
                StmtKind::DynamicSql { text: None, .. } => self.0.clear(),
                StmtKind::Call { name, args } if schema.functions(name, args.len()).next().is_none() => {
                    self.0.clear();
                }
                StmtKind::Select(_) if part.stmt.calls.iter().any(|called| is_unknown(called, schema)) => {
                    self.0.clear();
                }
                _ => {}
            }
        }
    }

    pub(crate) fn forget(&mut self, table: &str) {
        self.0.retain(|(key, _)| key != table);
    }
}

fn is_unknown(called: &crate::sql::Called, schema: &Schema) -> bool {
    schema.functions(&called.name, called.args).next().is_none()
}

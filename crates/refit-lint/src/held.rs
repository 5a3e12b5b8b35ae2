//! Migrations that wait for a backfill, and what they make or change: what comes after them may be applied before.

use std::collections::HashSet;

use crate::sql::{AlterAction, Name, Stmt, StmtKind};

/// A migration with a gate.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) version: i64,
    /// What it waits for, directly or through others.
    pub(crate) gates: HashSet<i64>,
    pub(crate) made: Vec<Made>,
}

/// An object, or a part of one, that a statement makes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// The name of the table or of the object itself, without its schema.
    pub(crate) object: String,
    /// The column or constraint; none for the object as a whole.
    pub(crate) part: Option<String>,
}

/// What statements make or change.
pub(crate) fn made(stmts: &[Stmt]) -> Vec<Made> {
    let mut all = Vec::new();
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::CreateTable(create) => whole(&create.name, &mut all),
            StmtKind::CreateTableAs { table: name, .. }
            | StmtKind::CreateView { name, .. }
            | StmtKind::CreateSequence { name }
            | StmtKind::CreateEnum { name, .. }
            | StmtKind::CreateDomain { name, .. }
            | StmtKind::CreateRoutine { name, .. } => whole(name, &mut all),
            StmtKind::CreateSchema { name } => all.push(Made { object: name.clone(), part: None }),
            StmtKind::CreateIndex(index) => index.name.iter().for_each(|name| whole(name, &mut all)),
            StmtKind::Alter { table, actions, .. } => {
                actions.iter().for_each(|(_, action)| altered(table, action, &mut all));
            }
            StmtKind::Drop { what, names, .. } if what != "TRIGGER" && what != "POLICY" && what != "RULE" => {
                names.iter().for_each(|name| whole(name, &mut all));
            }
            StmtKind::Rename { name, to, .. } => {
                whole(name, &mut all);
                all.push(Made { object: to.clone(), part: None });
            }
            _ => {}
        }
    }
    all
}

fn whole(name: &Name, all: &mut Vec<Made>) {
    all.push(Made { object: name.name.clone(), part: None });
}

fn altered(table: &Name, action: &AlterAction, all: &mut Vec<Made>) {
    let parts: Vec<&str> = match action {
        AlterAction::AddColumn { column, .. } => vec![&column.name],
        AlterAction::DropColumn(name)
        | AlterAction::DropConstraint(name)
        | AlterAction::ValidateConstraint(name) => vec![name],
        AlterAction::AlterColumn { column, .. } => vec![column],
        AlterAction::AddConstraint(constraint) => constraint.name.iter().map(String::as_str).collect(),
        AlterAction::RenameColumn { from, to } => vec![from, to],
        AlterAction::RenameTo(to) => {
            whole(table, all);
            return all.push(Made { object: to.clone(), part: None });
        }
        AlterAction::SetSchema(_) => return whole(table, all),
        AlterAction::AttachPartition { partition, .. } | AlterAction::DetachPartition { partition, .. } => {
            vec![&partition.name]
        }
        _ => Vec::new(),
    };
    all.extend(
        parts.into_iter().map(|part| Made { object: table.name.clone(), part: Some(part.to_owned()) }),
    );
}

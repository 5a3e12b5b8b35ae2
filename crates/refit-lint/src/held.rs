//! Migrations that wait for a backfill, and the objects they create or change: later migrations may be applied before
//! them.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::sql::{AlterAction, Name, Stmt, StmtKind};

/// A migration with a gate.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) version: i64,
    /// The versions that it waits for, directly or indirectly.
    pub(crate) gates: HashSet<i64>,
    pub(crate) made: Vec<Made>,
}

/// All held migrations, with an index of the objects that they create or change.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllHeld {
    all: Vec<Held>,
    by_object: HashMap<String, Vec<usize>>,
}

impl AllHeld {
    pub(crate) fn push(&mut self, held: Held) {
        for made in &held.made {
            let of = self.by_object.entry(made.object.clone()).or_default();
            if of.last() != Some(&self.all.len()) {
                of.push(self.all.len());
            }
        }
        self.all.push(held);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that touch an object with one of the names, in order.
    pub(crate) fn touching<'a>(&'a self, names: &HashSet<String>) -> impl Iterator<Item = &'a Held> {
        let found: BTreeSet<usize> =
            names.iter().filter_map(|name| self.by_object.get(name)).flatten().copied().collect();
        found.into_iter().filter_map(|at| self.all.get(at))
    }
}

/// An object, or a part of one, that a statement creates or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// The name of the table or object, without its schema.
    pub(crate) object: String,
    /// The column or constraint; `None` for the whole object.
    pub(crate) part: Option<String>,
    /// Whether it existed before: then only statements that change it again have to wait.
    pub(crate) was_there: bool,
}

impl Made {
    fn whole(object: &str) -> Made {
        Made { object: object.to_owned(), part: None, was_there: false }
    }
}

/// The objects that statements create or change.
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
            StmtKind::CreateSchema { name } => all.push(Made::whole(name)),
            StmtKind::CreateIndex(index) => index.name.iter().for_each(|name| whole(name, &mut all)),
            StmtKind::Alter { table, actions, .. } => {
                actions.iter().for_each(|(_, action)| altered(table, action, &mut all));
            }
            StmtKind::Drop { what, names, .. } if what != "TRIGGER" && what != "POLICY" && what != "RULE" => {
                names.iter().for_each(|name| whole(name, &mut all));
            }
            StmtKind::Rename { name, to, .. } => {
                whole(name, &mut all);
                all.push(Made::whole(to));
            }
            _ => {}
        }
    }
    all
}

fn whole(name: &Name, all: &mut Vec<Made>) {
    all.push(Made::whole(&name.name));
}

fn altered(table: &Name, action: &AlterAction, all: &mut Vec<Made>) {
    let mut part = |name: &str, was_there: bool| {
        all.push(Made { object: table.name.clone(), part: Some(name.to_owned()), was_there });
    };
    match action {
        AlterAction::AddColumn { column, .. } => part(&column.name, false),
        AlterAction::AddConstraint(constraint) => constraint.name.iter().for_each(|name| part(name, false)),
        AlterAction::RenameColumn { from, to } => {
            part(from, false);
            part(to, false);
        }
        AlterAction::AttachPartition { partition, .. } | AlterAction::DetachPartition { partition, .. } => {
            part(&partition.name, false);
        }
        AlterAction::DropColumn(name)
        | AlterAction::DropConstraint(name)
        | AlterAction::ValidateConstraint(name)
        | AlterAction::AlterColumn { column: name, .. } => part(name, true),
        AlterAction::RenameTo(to) => {
            whole(table, all);
            all.push(Made::whole(to));
        }
        AlterAction::SetSchema(_) => whole(table, all),
        _ => {}
    }
}

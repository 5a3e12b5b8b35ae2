//! The transaction around a statement: what it created, which locks it holds, and what it may not use yet.

use std::collections::{BTreeSet, HashMap};

use crate::effects::effects;
use crate::lock::LockMode;
use crate::schema::{Schema, added_name};
use crate::sql::{AlterAction, AlterTarget, Name, Span, Stmt, StmtKind};

/// The state of the transaction before a statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    /// Whether the statement runs in a transaction block: the migration's own, or one that the file opened.
    pub(crate) in_transaction: bool,
    /// Keys of tables that this migration created, which no other session can see or wait for.
    pub(crate) created: BTreeSet<String>,
    /// Keys of tables that exist only if another tool has created them (IF NOT EXISTS), and of sequences that belong to
    /// a table: their locks are not reported.
    pub(crate) perhaps_created: BTreeSet<String>,
    /// Those of them that are temporary.
    pub(crate) temporary: BTreeSet<String>,
    /// Keys of enums and domains that this migration created.
    pub(crate) created_types: BTreeSet<String>,
    /// Held locks, with the statement that took each.
    pub(crate) held: Vec<Held>,
    /// An index of `held`, by table key.
    known: HashMap<String, Vec<(LockMode, Taken)>>,
    /// Values added to enums in this transaction.
    pub(crate) enum_values: Vec<(Name, String)>,
    /// Constraints added NOT VALID in this transaction: table key and constraint.
    pub(crate) not_valid: Vec<(String, String)>,
}

/// A lock that is held until the transaction ends.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The table.
    pub(crate) table: Name,
    /// The mode.
    pub(crate) mode: LockMode,
    /// The statement that took it.
    pub(crate) span: Span,
    /// How it was taken.
    pub(crate) taken: Taken,
    /// Whether the statement does not name the table.
    pub(crate) beside: bool,
}

/// How a lock was taken, as far as it matters to sessions that wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Taken {
    /// On a table that existing code continues to use.
    Used,
    /// On the table that a new one references.
    Referenced,
    /// On something that is dropped, or that is not a table.
    Aside,
}

impl Window {
    /// The window at the beginning of a file.
    pub(crate) fn new(transaction: bool) -> Window {
        Window { in_transaction: transaction, ..Window::default() }
    }

    /// The window after a statement; `schema` is the one before it, `transaction` the file's directive.
    pub(crate) fn advance(&mut self, stmt: &Stmt, schema: &Schema, postgres: u32, transaction: bool) {
        self.create(stmt, schema);
        match &stmt.kind {
            StmtKind::Transaction(word) => {
                self.in_transaction = matches!(word.as_str(), "BEGIN" | "START") || transaction;
                self.end();
                return;
            }
            StmtKind::AddEnumValue { name, value } if !self.created_types.contains(&name.key()) => {
                self.enum_values.push((name.clone(), value.clone()));
            }
            StmtKind::Alter { table, actions, .. } => {
                for (_, action) in actions {
                    self.alter(table, action, schema);
                }
            }
            _ => {}
        }
        self.hold(stmt, schema, postgres);
        if !self.in_transaction {
            self.end();
        }
    }

    fn alter(&mut self, table: &Name, action: &AlterAction, schema: &Schema) {
        match action {
            AlterAction::AddConstraint(constraint) if constraint.not_valid => {
                self.not_valid.push((table.key(), added_name(schema, table, constraint)));
            }
            AlterAction::RenameTo(to) if self.created.contains(&table.key()) => {
                self.created.insert(Name { name: to.clone(), ..table.clone() }.key());
            }
            _ => {}
        }
    }

    /// Adds what a statement creates.
    pub(crate) fn create(&mut self, stmt: &Stmt, schema: &Schema) {
        match &stmt.kind {
            StmtKind::CreateTable(create) => {
                if create.temporary || !create.if_not_exists {
                    self.created.insert(create.name.key());
                } else if schema.table(&create.name).is_none() {
                    self.perhaps_created.insert(create.name.key());
                }
                if create.temporary {
                    self.temporary.insert(create.name.key());
                }
                for column in create.columns.iter().filter(|column| column.has_sequence()) {
                    let sequence = format!("{}_{}_seq", create.name.name, column.name);
                    self.perhaps_created.insert(Name { name: sequence, ..create.name.clone() }.key());
                }
            }
            StmtKind::CreateTableAs { table, if_not_exists, temporary, .. }
                if !if_not_exists || *temporary =>
            {
                self.created.insert(table.key());
                if *temporary {
                    self.temporary.insert(table.key());
                }
            }
            StmtKind::CreateView { name, or_replace: false, .. } | StmtKind::CreateSequence { name } => {
                self.created.insert(name.key());
            }
            StmtKind::CreateEnum { name, .. } | StmtKind::CreateDomain { name, .. } => {
                self.created_types.insert(name.key());
            }
            _ => {}
        }
    }

    /// Whether no other session can wait for a table, judging by what the set shows.
    pub(crate) fn is_created(&self, table: &Name) -> bool {
        let key = table.key_ref();
        self.created.contains(&*key) || self.perhaps_created.contains(&*key)
    }

    /// Whether a lock of some mode or a stronger one is held on the table with a key; locks with [`Taken::Aside`] do
    /// not count.
    pub(crate) fn holds(&self, key: &str, mode: LockMode) -> bool {
        let known = self.known.get(key).map_or(&[][..], Vec::as_slice);
        known.iter().any(|(held, taken)| *held >= mode && *taken != Taken::Aside)
    }

    /// Adds the locks that a statement takes.
    pub(crate) fn hold(&mut self, stmt: &Stmt, schema: &Schema, postgres: u32) {
        let taken = match &stmt.kind {
            StmtKind::Transaction(_) => return self.end(),
            StmtKind::CreateTable(create) if create.partition_of.is_none() => Taken::Referenced,
            StmtKind::Drop { what, .. } if what != "INDEX" && what != "TRIGGER" => Taken::Aside,
            StmtKind::Alter { target, .. }
                if !matches!(target, AlterTarget::Table | AlterTarget::MaterializedView) =>
            {
                Taken::Aside
            }
            _ => Taken::Used,
        };
        let named = named(stmt);
        for (table, mode) in effects(stmt, schema, postgres).locks {
            let beside = mode == LockMode::AccessExclusive
                && !named.is_empty()
                && named.iter().all(|name| name.key() != table.key());
            // The dropped table is gone; the tables locked for it are not.
            let taken = if beside { Taken::Used } else { taken };
            if self.is_created(&table) {
                continue;
            }
            let known = self.known.entry(table.key()).or_default();
            // A lock that is already held is not taken again.
            if !known.contains(&(mode, taken)) {
                known.push((mode, taken));
                self.held.push(Held { table, mode, span: stmt.span, taken, beside });
            }
        }
    }

    /// Clears what ends with the transaction.
    fn end(&mut self) {
        self.held.clear();
        self.known.clear();
        self.enum_values.clear();
        self.not_valid.clear();
    }
}

/// The relations that a statement names and changes.
fn named(stmt: &Stmt) -> Vec<&Name> {
    match &stmt.kind {
        StmtKind::Alter { table, actions, .. } => {
            let partitions = actions.iter().filter_map(|(_, action)| match action {
                AlterAction::AttachPartition { partition, .. }
                | AlterAction::DetachPartition { partition, .. } => Some(partition),
                _ => None,
            });
            std::iter::once(table).chain(partitions).collect()
        }
        StmtKind::Drop { names, .. } | StmtKind::Truncate { tables: names, .. } => names.iter().collect(),
        StmtKind::CreateTable(create) => create.partition_of.iter().collect(),
        // Other statements lock what they name.
        _ => Vec::new(),
    }
}

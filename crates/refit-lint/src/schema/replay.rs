//! The effect of each statement on the schema.

use std::sync::Arc;

use super::names::{index_name, made_up_name};
use super::{ConstraintType, Domain, Function, IndexDef, Schema, Table};
use crate::sql::{
    AlterAction, AlterTarget, Constraint, ConstraintKind, CreateTable, Generated, Index, Like, Name, Stmt,
    StmtKind,
};

impl Schema {
    /// Replays one statement.
    pub(crate) fn replay(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::CreateTable(create) => self.create_table(create),
            StmtKind::CreateTableAs { table, if_not_exists, .. }
                if !(*if_not_exists && self.tables.contains_key(&table.key())) =>
            {
                self.tables.insert(table.key(), Arc::default());
            }
            StmtKind::Alter { target, table, actions } => {
                let (drops, others): (Vec<_>, Vec<_>) =
                    actions.iter().partition(|(_, action)| action.is_drop());
                for (_, action) in drops.into_iter().chain(others) {
                    self.alter(*target, table, action);
                }
            }
            StmtKind::Set { name, value, .. } if name == "timezone" => {
                self.in_utc = value.as_deref().is_some_and(is_utc);
            }
            // A setting made for a transaction ends with it, and one made in it may too.
            StmtKind::Transaction(word) if !matches!(word.as_str(), "BEGIN" | "START") => self.in_utc = false,
            StmtKind::Other(words) if words.starts_with("RESET ALL") => self.in_utc = false,
            StmtKind::CreateIndex(index) => self.create_index(index),
            StmtKind::Drop { what, names, .. } => self.drop_objects(what, names),
            StmtKind::CreateDomain { name, base, constrained } => {
                // A domain over a constrained domain is constrained too.
                let constrained = *constrained || self.domain(base).is_some_and(|base| base.constrained);
                self.domains.insert(name.key(), Domain { base: base.clone(), constrained });
            }
            StmtKind::AlterDomain { name, action: AlterAction::AddConstraint(_) } => {
                if let Some(domain) = self.domains.get_mut(&name.key()) {
                    domain.constrained = true;
                }
            }
            StmtKind::CreateEnum { name, values } => {
                self.enums.insert(name.key(), values.clone());
            }
            StmtKind::AddEnumValue { name, value } => {
                self.enums.entry(name.key()).or_default().push(value.clone())
            }
            StmtKind::CreateRoutine { name, volatility, parameters, is_trigger, body } => {
                let known = self.functions.entry(name.key()).or_default();
                known.retain(|function| function.parameters.types != parameters.types);
                let (parameters, body) = (parameters.clone(), Arc::clone(body));
                known.push(Function { volatility: *volatility, parameters, is_trigger: *is_trigger, body });
            }
            StmtKind::CreateView { name, materialized: true, no_data, .. }
            | StmtKind::Refresh { view: name, no_data, .. } => {
                self.materialized_views.insert(name.key(), !no_data);
            }
            _ => {}
        }
    }

    fn create_table(&mut self, create: &CreateTable) {
        let key = create.name.key();
        if create.if_not_exists && self.tables.contains_key(&key) {
            return;
        }
        let mut table = Table {
            // Columns that come from elsewhere are not in the statement.
            complete: create.inherits.is_empty()
                && create.like.iter().all(|like| self.table(&like.table).is_some_and(|known| known.complete))
                && create.partition_of.is_none()
                && create.of_type.is_none()
                && !create.if_not_exists,
            partitioned: create.partitioned,
            unlogged: create.unlogged,
            partition_key: create.partition_key.clone(),
            partition_of: create.partition_of.as_ref().map(Name::key),
            of_type: create.of_type.as_ref().map(Name::key),
            ..Table::default()
        };
        let inline = create.columns.iter().map(|column| column.constraints.len()).sum::<usize>();
        table.constraints.reserve_exact(create.constraints.len() + inline);
        for like in &create.like {
            self.copy(like, &create.name, &mut table);
        }
        for column in &create.columns {
            table.add_column(&create.name.name, column, &mut self.shared);
        }
        for constraint in &create.constraints {
            table.add_constraint(&create.name.name, constraint, None, &mut self.shared);
        }
        if let (Some(parent), true) = (&create.partition_of, create.default_partition) {
            self.table_mut(parent.key()).default_partition = Some(key.clone());
        }
        self.tables.insert(key, Arc::new(table));
    }

    /// The parts that LIKE copies: columns and NOT NULL always, the rest according to INCLUDING (manual, CREATE TABLE).
    fn copy(&mut self, like: &Like, name: &Name, table: &mut Table) {
        let Some(known) = self.tables.get(&*like.table.key_ref()) else { return };
        for (column, definition) in &known.columns {
            let mut definition = definition.clone();
            let keeps = |generated: &Generated| match generated {
                Generated::Identity => like.identity,
                Generated::Stored | Generated::Virtual => like.generated,
            };
            definition.generated = definition.generated.filter(keeps);
            table.columns.insert(Arc::clone(column), definition);
        }
        for constraint in &known.constraints {
            let mut copied = constraint.clone();
            match constraint.kind {
                ConstraintType::NotNull => {}
                ConstraintType::Check if like.constraints => {}
                kind @ (ConstraintType::PrimaryKey | ConstraintType::Unique | ConstraintType::Exclude)
                    if like.indexes =>
                {
                    copied.name = made_up_name(&name.name, kind, &constraint.columns);
                }
                _ => continue,
            }
            table.constraints.push(copied);
        }
        if like.indexes {
            let of = like.table.key();
            let own: Vec<Arc<IndexDef>> =
                self.indexes.values().filter(|index| index.table == of).cloned().collect();
            for index in own {
                self.add_index(name, None, IndexDef { table: name.key(), ..IndexDef::clone(&index) });
            }
        }
    }

    fn create_index(&mut self, index: &Index) {
        let definition = IndexDef {
            table: index.table.key(),
            unique: index.unique,
            columns: index.columns.clone(),
            called: index.called.clone(),
            computed_from: index.computed_from.clone(),
            partial: index.filter.is_some(),
        };
        self.add_index(&index.table, index.name.as_ref(), definition);
    }

    /// Adds an index, with the name that the server generates if it has none.
    fn add_index(&mut self, table: &Name, name: Option<&Name>, index: IndexDef) {
        let name = match name {
            Some(name) => name.name.clone(),
            None => index_name(self, table, &index.called),
        };
        let key = Name { schema: table.schema.clone(), name, span: table.span }.key();
        self.indexes.insert(key, Arc::new(index));
    }

    fn drop_objects(&mut self, what: &str, names: &[Name]) {
        for name in names {
            let key = name.key();
            match what {
                "TABLE" => {
                    self.forget_partition(&key);
                    self.tables.remove(&key);
                    self.indexes.retain(|_, index| index.table != key);
                }
                "INDEX" => drop(self.indexes.remove(&key)),
                "DOMAIN" => drop(self.domains.remove(&key)),
                "TYPE" => drop(self.enums.remove(&key)),
                // With several of that name, it is unknown which one is dropped.
                "FUNCTION" if self.functions.get(&key).is_none_or(|known| known.len() < 2) => {
                    self.functions.remove(&key);
                }
                "MATERIALIZED VIEW" => drop(self.materialized_views.remove(&key)),
                _ => {}
            }
        }
    }

    pub(super) fn alter(&mut self, target: AlterTarget, name: &Name, action: &AlterAction) {
        if target != AlterTarget::Table {
            return self.alter_other(target, name, action);
        }
        if self.indexes.contains_key(&*name.key_ref()) {
            return self.alter_other(AlterTarget::Index, name, action);
        }
        match action {
            AlterAction::RenameTo(to) => {
                return self.rename_table(name, &Name { name: to.clone(), ..name.clone() });
            }
            AlterAction::SetSchema(to) => {
                return self.rename_table(name, &Name { schema: Some(to.clone()), ..name.clone() });
            }
            AlterAction::AttachPartition { partition, default } => {
                self.table_mut(partition.key()).partition_of = Some(name.key());
                if *default {
                    self.table_mut(name.key()).default_partition = Some(partition.key());
                }
            }
            AlterAction::DetachPartition { partition, .. } => self.forget_partition(&partition.key()),
            _ => {}
        }
        let using_index = match action {
            AlterAction::AddConstraint(Constraint {
                kind:
                    ConstraintKind::Unique { using_index: Some(index), .. }
                    | ConstraintKind::PrimaryKey { using_index: Some(index), .. },
                ..
            }) => {
                let key = Name { schema: name.schema.clone(), ..index.clone() }.key();
                self.indexes
                    .get(&key)
                    .and_then(|index| index.columns.iter().cloned().collect::<Option<Vec<String>>>())
            }
            _ => None,
        };
        let table = Arc::make_mut(self.tables.entry(name.key()).or_default());
        table.alter(&name.name, action, using_index, &mut self.shared);
    }

    /// Returns a table for modification.
    fn table_mut(&mut self, key: String) -> &mut Table {
        Arc::make_mut(self.tables.entry(key).or_default())
    }

    /// Makes a partition an independent table.
    fn forget_partition(&mut self, key: &str) {
        let Some(table) = self.tables.get_mut(key).filter(|table| table.partition_of.is_some()) else {
            return;
        };
        let parent = Arc::make_mut(table).partition_of.take();
        if let Some(parent) = parent.and_then(|parent| self.tables.get_mut(&parent)) {
            Arc::make_mut(parent).default_partition.take_if(|default| default == key);
        }
    }

    fn rename_table(&mut self, old: &Name, new: &Name) {
        let (from, to) = (old.key(), new.key());
        if let Some(table) = self.tables.remove(&from) {
            self.tables.insert(to.clone(), table);
        }
        self.indexes
            .values_mut()
            .filter(|index| index.table == from)
            .for_each(|index| Arc::make_mut(index).table.clone_from(&to));
        let names = |table: &Table| {
            table.partition_of.as_ref() == Some(&from)
                || table.default_partition.as_ref() == Some(&from)
                || table
                    .constraints
                    .iter()
                    .any(|known| known.references.as_ref().is_some_and(|name| name.key_ref() == from))
        };
        for table in self.tables.values_mut().filter(|table| names(table)) {
            let table = Arc::make_mut(table);
            let partitions = [&mut table.partition_of, &mut table.default_partition];
            partitions.into_iter().flatten().filter(|key| **key == from).for_each(|key| key.clone_from(&to));
            let references = table.constraints.iter_mut().filter_map(|known| known.references.as_deref_mut());
            for name in references.filter(|name| name.key_ref() == from) {
                (name.schema, name.name) = (new.schema.clone(), new.name.clone());
            }
        }
    }

    fn alter_other(&mut self, target: AlterTarget, name: &Name, action: &AlterAction) {
        if let (AlterTarget::Index, AlterAction::RenameTo(to)) = (target, action)
            && let Some(index) = self.indexes.remove(&name.key())
        {
            self.indexes.insert(Name { name: to.clone(), ..name.clone() }.key(), index);
        }
    }
}

/// Whether a time zone is UTC under one of its names.
fn is_utc(zone: &str) -> bool {
    let zone = zone.to_ascii_lowercase();
    let zone = zone.strip_prefix("etc/").unwrap_or(&zone);
    matches!(zone, "utc" | "uct" | "universal" | "zulu" | "gmt" | "greenwich" | "0" | "z")
}

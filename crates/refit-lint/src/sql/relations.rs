//! The relations that a statement names: tables, views, indexes, sequences. Names inside bodies and in scalar subqueries are
//! omitted.

use super::{AlterAction, ConstraintKind, Dml, FromItem, Name, Query, StmtKind};

/// What a statement does with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It creates a relation of that name.
    Makes {
        /// TEMPORARY.
        temporary: bool,
    },
    /// It uses an existing relation.
    Names,
}

impl StmtKind {
    /// Visits each relation, to change its qualification.
    pub(crate) fn relations_mut(&mut self, visit: &mut dyn FnMut(&mut Name, Use)) {
        match self {
            StmtKind::CreateTable(create) => {
                visit(&mut create.name, Use::Makes { temporary: create.temporary });
                let others = create.partition_of.iter_mut().chain(&mut create.inherits);
                others.for_each(|name| visit(name, Use::Names));
                create.like.iter_mut().for_each(|like| visit(&mut like.table, Use::Names));
                let inline = create.columns.iter_mut().flat_map(|column| &mut column.constraints);
                create.constraints.iter_mut().chain(inline).for_each(|one| constraint(&mut one.kind, visit));
            }
            StmtKind::CreateTableAs { table, temporary, query: source, .. } => {
                query(source, visit);
                visit(table, Use::Makes { temporary: *temporary });
            }
            StmtKind::CreateView { name, query: source, .. } => {
                query(source, visit);
                visit(name, Use::Makes { temporary: false });
            }
            StmtKind::CreateSequence { name } => visit(name, Use::Makes { temporary: false }),
            StmtKind::Alter { table, actions, .. } => {
                visit(table, Use::Names);
                actions.iter_mut().for_each(|(_, action)| altered(action, visit));
            }
            StmtKind::CreateIndex(index) => visit(&mut index.table, Use::Names),
            StmtKind::Drop { what, names, .. } if is_relation(what) => {
                names.iter_mut().for_each(|name| visit(name, Use::Names));
            }
            StmtKind::Reindex { name: Some(name), .. }
            | StmtKind::Cluster { table: Some(name) }
            | StmtKind::Refresh { view: name, .. }
            | StmtKind::CreateTrigger { table: name, .. }
            | StmtKind::TableRule { table: name, .. } => visit(name, Use::Names),
            StmtKind::Truncate { tables, .. }
            | StmtKind::Lock { tables, .. }
            | StmtKind::Vacuum { tables, .. } => tables.iter_mut().for_each(|name| visit(name, Use::Names)),
            StmtKind::Dml(change) => dml(change, visit),
            StmtKind::Select(source) => query(source, visit),
            _ => {}
        }
    }
}

fn is_relation(what: &str) -> bool {
    matches!(
        what,
        "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "INDEX" | "SEQUENCE" | "TRIGGER" | "POLICY" | "RULE"
    )
}

fn altered(action: &mut AlterAction, visit: &mut dyn FnMut(&mut Name, Use)) {
    match action {
        AlterAction::AddColumn { column, .. } => {
            column.constraints.iter_mut().for_each(|one| constraint(&mut one.kind, visit));
        }
        AlterAction::AddConstraint(one) => constraint(&mut one.kind, visit),
        AlterAction::AttachPartition { partition, .. } | AlterAction::DetachPartition { partition, .. } => {
            visit(partition, Use::Names);
        }
        _ => {}
    }
}

fn constraint(kind: &mut ConstraintKind, visit: &mut dyn FnMut(&mut Name, Use)) {
    if let ConstraintKind::ForeignKey { table, .. } = kind {
        visit(table, Use::Names);
    }
}

fn dml(change: &mut Dml, visit: &mut dyn FnMut(&mut Name, Use)) {
    visit(&mut change.table, Use::Names);
    let own: Vec<String> = change.ctes.iter().map(|cte| cte.name.clone()).collect();
    items(&mut change.from, &own, visit);
    if let Some(source) = &mut change.source {
        within(source, &own, visit);
    }
    for cte in &mut change.ctes {
        cte.query.iter_mut().for_each(|query| within(query, &own, visit));
        cte.dml.iter_mut().for_each(|inner| dml(inner, visit));
    }
}

fn query(source: &mut Query, visit: &mut dyn FnMut(&mut Name, Use)) {
    within(source, &[], visit);
}

/// `around` holds the WITH items that a query sees, which are not relations.
fn within(source: &mut Query, around: &[String], visit: &mut dyn FnMut(&mut Name, Use)) {
    let mut seen = around.to_vec();
    seen.extend(source.ctes.iter().map(|cte| cte.name.clone()));
    items(&mut source.from, &seen, visit);
    source.parts.iter_mut().for_each(|part| within(part, &seen, visit));
    for cte in &mut source.ctes {
        cte.query.iter_mut().for_each(|query| within(query, &seen, visit));
        cte.dml.iter_mut().for_each(|inner| dml(inner, visit));
    }
}

fn items(items: &mut [FromItem], ctes: &[String], visit: &mut dyn FnMut(&mut Name, Use)) {
    for item in items {
        match item {
            FromItem::Table { name, .. } if name.schema.is_some() || !ctes.contains(&name.name) => {
                visit(name, Use::Names);
            }
            FromItem::Query { query, .. } => within(query, ctes, visit),
            _ => {}
        }
    }
}

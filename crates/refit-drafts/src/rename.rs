//! Renames: a removal and an addition that may be one.

use refit_catalog::{Catalog, Table};

use crate::names::{last, schema, sql};
use crate::plan::Statement;

/// A column or table that may have been renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The table of a column.
    pub of: Option<String>,
    /// The name before; that of a table has its schema.
    pub from: String,
    /// The name after.
    pub to: String,
}

impl Rename {
    /// `public.posts.title`, or `public.posts`: what was there before.
    pub fn before(&self) -> String {
        self.of.as_ref().map_or_else(|| self.from.clone(), |of| format!("{of}.{}", self.from))
    }

    /// The statements that rename it.
    pub fn statements(&self) -> Vec<Statement> {
        let statement = |sql: String| Statement { sql, object: self.before(), otherwise: None };
        let Some(of) = &self.of else {
            let (mut all, (old, new)) = (Vec::new(), (schema(&self.from), schema(&self.to)));
            let (name, to) = (sql(last(&self.from)), sql(last(&self.to)));
            if old != new {
                all.push(statement(format!("ALTER TABLE {} SET SCHEMA {new}", sql(&self.from))));
            }
            if name != to {
                all.push(statement(format!("ALTER TABLE {new}.{name} RENAME TO {to}")));
            }
            return all;
        };
        let (from, to) = (sql(&self.from), sql(&self.to));
        vec![statement(format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", sql(of)))]
    }
}

/// The pairs of a removed and an added column of a table, and of tables that share at least half of their columns.
///
/// ```
/// use refit_catalog::{Catalog, Column, Table};
///
/// let with = |name: &str| {
///     let column = Column { name: name.into(), type_name: "text".into(), ..Column::default() };
///     let table = Table { columns: vec![column], ..Table::default() };
///     Catalog { tables: [("public.posts".into(), table)].into(), ..Catalog::default() }
/// };
/// let found = refit_drafts::candidates(&with("title"), &with("headline"));
/// assert_eq!((found[0].before().as_str(), found[0].to.as_str()), ("public.posts.title", "headline"));
/// ```
pub fn candidates(before: &Catalog, after: &Catalog) -> Vec<Rename> {
    let mut found = Vec::new();
    for (from, old) in before.tables.iter().filter(|(name, _)| !after.tables.contains_key(*name)) {
        for (to, new) in after.tables.iter().filter(|(name, _)| !before.tables.contains_key(*name)) {
            if are_alike(old, new) {
                found.push(Rename { of: None, from: from.clone(), to: to.clone() });
            }
        }
    }
    for (name, old) in &before.tables {
        let Some(new) =
            after.tables.get(name).filter(|new| new.of_type.is_empty() && new.partition_of.is_empty())
        else {
            continue;
        };
        let lacks = |table: &Table, name: &str| table.columns.iter().all(|column| column.name != name);
        for gone in old.columns.iter().filter(|column| lacks(new, &column.name) && !column.inherited) {
            for one in new.columns.iter().filter(|column| lacks(old, &column.name) && !column.inherited) {
                let (from, to) = (gone.name.clone(), one.name.clone());
                found.push(Rename { of: Some(name.clone()), from, to });
            }
        }
    }
    found
}

fn are_alike(old: &Table, new: &Table) -> bool {
    let is_in = |table: &Table, name: &str, of_type: &str| {
        table.columns.iter().any(|column| column.name == name && column.type_name == of_type)
    };
    let shared = old.columns.iter().filter(|column| is_in(new, &column.name, &column.type_name)).count();
    shared > 0 && shared * 2 >= old.columns.len().max(new.columns.len())
}

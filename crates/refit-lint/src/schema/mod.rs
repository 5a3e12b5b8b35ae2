//! The schema that the migrations before a statement have built, as far as the set shows it.
//!
//! A set is rarely complete: objects that are not in it are assumed to exist and to be large. Each statement is
//! replayed once, in order, after the rules have seen the schema before it.

mod names;
mod replay;
mod shared;
mod table;

pub(crate) use names::{added_name, constraint_name, index_name};

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::shared::Shared;
use crate::sql::{AlterAction, AlterTarget, Body, DataType, Expr, Generated, Name, Parameters, Span};

/// Tables, indexes, types and functions by [`Name::key`].
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// Shared, so that copying the schema is cheap.
    pub(crate) tables: HashMap<String, Arc<Table>>,
    pub(crate) indexes: HashMap<String, Arc<IndexDef>>,
    pub(crate) domains: HashMap<String, Domain>,
    pub(crate) enums: HashMap<String, Vec<String>>,
    /// Functions of the same name differ in their parameters.
    pub(crate) functions: HashMap<String, Vec<Function>>,
    /// Whether each is populated: its last statement was not WITH NO DATA.
    pub(crate) materialized_views: HashMap<String, bool>,
    /// Whether the current migration has set its session to UTC.
    pub(crate) in_utc: bool,
    shared: Shared,
}

/// A table that a migration created or changed.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Whether its CREATE TABLE is in the set, so that all of its columns are known.
    pub(crate) complete: bool,
    pub(crate) partitioned: bool,
    pub(crate) unlogged: bool,
    pub(crate) partition_key: Vec<String>,
    /// Keys of the table that it is a partition of, and of its own default partition.
    pub(crate) partition_of: Option<String>,
    pub(crate) default_partition: Option<String>,
    /// Key of the composite type that it is OF.
    pub(crate) of_type: Option<String>,
    pub(crate) columns: BTreeMap<Arc<str>, ColumnDef>,
    pub(crate) constraints: Vec<ConstraintDef>,
}

/// A known column.
#[derive(Debug, Clone, Default)]
pub struct ColumnDef {
    /// Its type; `None` if the set only changes the column.
    pub(crate) data_type: Option<Arc<DataType>>,
    /// Whether it is known to be NOT NULL.
    pub(crate) not_null: bool,
    pub(crate) generated: Option<Generated>,
}

/// A known constraint.
#[derive(Debug, Clone)]
pub struct ConstraintDef {
    /// Its name, or the one that the server would generate.
    pub(crate) name: String,
    pub(crate) kind: ConstraintType,
    /// The columns of a key or foreign key.
    pub(crate) columns: Vec<Arc<str>>,
    /// The condition of a CHECK.
    pub(crate) check: Option<Arc<Expr>>,
    /// The table that a foreign key references.
    pub(crate) references: Option<Box<Name>>,
    /// The referenced columns; empty for the primary key.
    pub(crate) referenced: Vec<Arc<str>>,
    pub(crate) validated: bool,
}

/// Kinds of constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintType {
    /// CHECK.
    Check,
    /// FOREIGN KEY.
    ForeignKey,
    /// PRIMARY KEY.
    PrimaryKey,
    /// UNIQUE.
    Unique,
    /// EXCLUDE.
    Exclude,
    /// NOT NULL.
    NotNull,
}

/// A known index.
#[derive(Debug, Clone)]
pub struct IndexDef {
    /// The table's key.
    pub(crate) table: String,
    pub(crate) unique: bool,
    /// Its columns; `None` in place of an expression.
    pub(crate) columns: Vec<Option<String>>,
    /// The column names that the server uses to generate a name.
    pub(crate) called: Vec<String>,
    /// The columns in its expressions and its WHERE.
    pub(crate) computed_from: Vec<String>,
    /// Whether it has a WHERE.
    pub(crate) partial: bool,
}

/// A known domain.
#[derive(Debug, Clone)]
pub struct Domain {
    pub(crate) base: DataType,
    /// Whether it has a CHECK or NOT NULL.
    pub(crate) constrained: bool,
}

/// A known function or procedure.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its `pg_proc.provolatile`.
    pub(crate) volatility: char,
    pub(crate) parameters: Parameters,
    /// Whether it returns `trigger`.
    pub(crate) is_trigger: bool,
    pub(crate) body: Arc<Body>,
}

impl Schema {
    /// A table that the set shows.
    pub(crate) fn table(&self, name: &Name) -> Option<&Table> {
        self.tables.get(&*name.key_ref()).map(|table| &**table)
    }

    /// A column's definition, if it is known.
    pub(crate) fn column(&self, table: &Name, column: &str) -> Option<&ColumnDef> {
        self.table(table)?.columns.get(column)
    }

    /// The functions and procedures that a call with a given number of arguments may mean.
    pub(crate) fn functions(&self, name: &Name, args: usize) -> impl Iterator<Item = &Function> {
        let named = self.functions.get(&*name.key_ref()).into_iter().flatten();
        named.filter(move |function| function.parameters.take(args))
    }

    /// The domain that a type is, if the set shows it; an array of a domain is not one.
    pub(crate) fn domain(&self, data_type: &DataType) -> Option<&Domain> {
        let name = data_type.name.strip_prefix("public.").unwrap_or(&data_type.name);
        self.domains.get(name).filter(|_| !data_type.array)
    }

    /// The schema that the other actions of an ALTER TABLE see after its drops.
    pub(crate) fn after_drops(&self, table: &Name, actions: &[(Span, AlterAction)]) -> Cow<'_, Schema> {
        let drops = actions.iter().map(|(_, action)| action).filter(|action| action.is_drop());
        let mut after = Cow::Borrowed(self);
        if actions.len() > 1 && self.table(table).is_some() {
            drops.for_each(|action| after.to_mut().alter(AlterTarget::Table, table, action));
        }
        after
    }

    /// A constraint by name.
    pub(crate) fn constraint(&self, table: &Name, constraint: &str) -> Option<&ConstraintDef> {
        self.table(table)?.constraints.iter().find(|known| known.name == constraint)
    }

    /// The tables that the foreign keys of a table reference.
    pub(crate) fn references(&self, table: &Name) -> impl Iterator<Item = &Name> {
        let constraints = self.table(table).into_iter().flat_map(|table| &table.constraints);
        constraints.filter_map(|constraint| constraint.references.as_deref())
    }

    /// The foreign keys of other tables that reference a table, with the keys of those tables.
    pub(crate) fn referrers<'a>(
        &'a self,
        table: &Name,
    ) -> impl Iterator<Item = (&'a str, &'a ConstraintDef)> {
        let key = table.key();
        let all = self.tables.iter().flat_map(|(of, table)| {
            table.constraints.iter().map(move |constraint| (of.as_str(), constraint))
        });
        all.filter(move |(of, constraint)| {
            *of != key && constraint.references.as_ref().is_some_and(|name| name.key_ref() == key)
        })
    }

    /// Whether a foreign key references a column of its table: by name, or as part of the primary key.
    pub(crate) fn is_referenced(&self, foreign_key: &ConstraintDef, table: &Name, column: &str) -> bool {
        let is = |columns: &[Arc<str>]| columns.iter().any(|known| **known == *column);
        match foreign_key.referenced.is_empty() {
            false => is(&foreign_key.referenced),
            true => {
                self.table(table).into_iter().flat_map(|table| &table.constraints).any(|constraint| {
                    constraint.kind == ConstraintType::PrimaryKey && is(&constraint.columns)
                })
            }
        }
    }

    /// Whether a column has an index, or may have one if the CREATE TABLE is not in the set.
    pub(crate) fn may_be_indexed(&self, table: &Name, column: &str) -> bool {
        let Some(known) = self.table(table) else { return true };
        let by_constraint = known.constraints.iter().any(|constraint| {
            matches!(
                constraint.kind,
                ConstraintType::PrimaryKey | ConstraintType::Unique | ConstraintType::Exclude
            ) && (constraint.columns.is_empty() || constraint.columns.iter().any(|key| **key == *column))
        });
        let key = table.key();
        let names = |index: &IndexDef| index.columns.iter().flatten().any(|known| known == column);
        !known.complete
            || by_constraint
            || self.indexes.values().any(|index| index.table == key && names(index))
            || self.is_computed_from(table, column)
    }

    /// Whether a table has an index, or may have one.
    pub(crate) fn may_have_indexes(&self, table: &Name) -> bool {
        let Some(known) = self.table(table).filter(|known| known.complete) else { return true };
        let by_constraint = known.constraints.iter().any(|constraint| {
            matches!(
                constraint.kind,
                ConstraintType::PrimaryKey | ConstraintType::Unique | ConstraintType::Exclude
            )
        });
        by_constraint || self.indexes.values().any(|index| index.table == *table.key_ref())
    }

    /// Whether an index has a column in an expression or its WHERE.
    pub(crate) fn is_computed_from(&self, table: &Name, column: &str) -> bool {
        let key = table.key();
        let mut own = self.indexes.values().filter(|index| index.table == key);
        own.any(|index| index.computed_from.iter().any(|known| known == column))
    }

    /// The DEFAULT partition of a table.
    pub(crate) fn default_partition(&self, parent: &Name) -> Option<&str> {
        self.table(parent)?.default_partition.as_deref()
    }

    /// Whether a table is partitioned; unknown tables count as not partitioned.
    pub(crate) fn is_partitioned(&self, name: &Name) -> bool {
        self.table(name).is_some_and(|table| table.partitioned)
    }

    /// Whether a validated CHECK uses a column.
    pub(crate) fn is_checked(&self, table: &Name, column: &str) -> bool {
        let Some(table) = self.table(table) else { return false };
        let checks = table.constraints.iter().filter(|constraint| constraint.validated);
        checks.filter_map(|constraint| constraint.check.as_ref()).any(|check| names_column(check, column))
    }

    /// Keys of the tables that have a column of a type, in order.
    pub(crate) fn tables_with(&self, type_name: &str) -> Vec<&str> {
        let has = |table: &Table| {
            let mut types = table.columns.values().filter_map(|column| column.data_type.as_ref());
            types.any(|data_type| data_type.name == type_name)
        };
        let mut found: Vec<&str> =
            self.tables.iter().filter(|(_, table)| has(table)).map(|(key, _)| key.as_str()).collect();
        found.sort_unstable();
        found
    }

    /// Whether the columns together identify one row: a primary key, a unique constraint or a unique index without
    /// WHERE.
    ///
    /// `None` if too little is known of the table to say no.
    pub(crate) fn is_unique_key(&self, table: &Name, columns: &[&str]) -> Option<bool> {
        let known = self.table(table);
        let by_constraint = known.is_some_and(|table| {
            table.constraints.iter().any(|constraint| {
                matches!(constraint.kind, ConstraintType::PrimaryKey | ConstraintType::Unique)
                    && !constraint.columns.is_empty()
                    && constraint.columns.iter().all(|column| columns.contains(&&**column))
            })
        });
        let key = table.key();
        let by_index = || {
            self.indexes.values().any(|index| {
                let is_named = |column: &Option<String>| {
                    column.as_deref().is_some_and(|column| columns.contains(&column))
                };
                index.unique
                    && !index.partial
                    && index.table == key
                    && !index.columns.is_empty()
                    && index.columns.iter().all(is_named)
            })
        };
        if by_constraint || by_index() {
            Some(true)
        } else if known.is_some_and(|table| table.complete) {
            Some(false)
        } else {
            None
        }
    }

    /// Whether a validated CHECK proves that a column is not null: `c IS NOT NULL`, or an AND with it.
    pub(crate) fn proves_not_null(&self, table: &Name, column: &str) -> bool {
        let Some(table) = self.table(table) else { return false };
        let checks = table.constraints.iter().filter(|constraint| constraint.validated);
        checks.filter_map(|constraint| constraint.check.as_ref()).any(|check| implies_not_null(check, column))
    }
}

/// Whether a condition uses a column.
pub(crate) fn names_column(check: &Expr, column: &str) -> bool {
    let mut found = false;
    check.walk(&mut |part| found |= matches!(part, Expr::Column { name, .. } if name == column));
    found
}

/// Whether a condition that is not false implies that the column is not null, by PostgreSQL's rules: only
/// `IS NOT NULL`, alone or in an AND.
pub(crate) fn implies_not_null(check: &Expr, column: &str) -> bool {
    match check {
        Expr::IsNull { negated: true, value } => {
            matches!(&**value, Expr::Column { name, .. } if name == column)
        }
        Expr::And(parts) => parts.iter().any(|part| implies_not_null(part, column)),
        _ => false,
    }
}

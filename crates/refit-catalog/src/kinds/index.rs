//! Indexes. Their definitions are assembled from the catalog's columns: `pg_get_indexdef` for each index of a large
//! schema takes longer than all other queries.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use super::expression;
use crate::cursor::Cursor;
use crate::facts::{Facts, IndexAttribute, Relation, class};
use crate::quote::{ident, literal};
use crate::record::record;
use crate::text::parenthesised;
use crate::{Catalog, Error, Options};

record! {
    /// An index. One that serves a constraint omits the constraint's own properties.
    Index {
        /// Access method; for a constraint, only if it is not the usual one.
        method: String,
        /// UNIQUE.
        unique: bool,
        /// Columns and expressions with collation, operator class and order, if these are not the default.
        columns: Vec<String>,
        /// INCLUDE.
        include: Vec<String>,
        /// NULLS NOT DISTINCT (PostgreSQL 15).
        nulls_not_distinct: bool,
        /// The predicate of a partial index.
        #[serde(rename = "where")]
        predicate: String,
        /// Storage parameters.
        options: Options,
        /// Tablespace, if it is not the database's.
        tablespace: String,
        /// The partitioned table's index that it is attached to.
        partition_of: String,
        /// Not usable by queries: a CREATE INDEX CONCURRENTLY that failed, or a partitioned index with missing
        /// partitions.
        invalid: bool,
        /// Not maintained by writes.
        not_ready: bool,
        /// CLUSTER ON.
        clustered: bool,
        /// REPLICA IDENTITY USING INDEX.
        replica_identity: bool,
        /// SET STATISTICS of expressions, by position from 1.
        statistics: BTreeMap<String, i32>,
        /// DEPENDS ON EXTENSION.
        extensions: Vec<String>,
        /// COMMENT ON INDEX.
        comment: String,
    }
}

pub(crate) fn sql(version: u32) -> String {
    let nulls = if version >= 15 { "i.indnullsnotdistinct" } else { "false" };
    format!(
        "SELECT i.indexrelid, i.indrelid, c.relname, m.amname, i.indisunique, {nulls}, i.indisvalid,
                i.indisready, i.indisclustered, i.indisreplident, c.reloptions, s.spcname, n.inhparent,
                p.relnamespace, p.relname,
                CASE WHEN i.indexprs IS NOT NULL AND pg_catalog.array_length(pg_catalog.array_positions(i.indkey::int2[], 0::int2), 1) > 1 THEN ARRAY(
                  SELECT pg_catalog.pg_get_indexdef(i.indexrelid, g, false) FROM pg_catalog.generate_series(1, i.indnatts::int) g
                  WHERE i.indkey[g - 1] = 0 ORDER BY g) END,
                i.indnkeyatts, i.indkey, i.indclass, i.indcollation, i.indoption
         FROM pg_index i
         JOIN pg_class c ON c.oid = i.indexrelid AND c.relpersistence <> 't'
         JOIN pg_am m ON m.oid = c.relam
         LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
         LEFT JOIN pg_inherits n ON n.inhrelid = i.indexrelid
         LEFT JOIN pg_class p ON p.oid = n.inhparent
         WHERE i.indexrelid >= 16384"
    )
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    let mut places = Vec::new();
    for row in rows {
        let mut cells = Cursor::new(row, "indexes");
        let (oid, table): (u32, u32) = (cells.take()?, cells.take()?);
        let Some(relation) = facts.shown(table) else { continue };
        let name = ident(cells.take()?);
        let mut index = index(&mut cells)?;
        let parent: Option<u32> = cells.take()?;
        if let (Some(_), Some(schema)) = (parent, cells.take::<Option<u32>>()?) {
            index.partition_of = facts.key(schema, &cells.text()?);
        } else {
            cells.skip(1);
        }
        index.predicate = facts.expression(expression::PREDICATE, oid);
        let mut expressions = cells.texts()?;
        if expressions.is_empty() {
            expressions.push(facts.expression(expression::INDEXED, oid));
        }
        elements(&mut index, relation, facts, &mut cells, expressions)?;
        index.comment = facts.comment(class::RELATION, oid);
        index.extensions = facts.needed(class::RELATION, oid);
        let Some(table) = catalog.relation_mut(relation) else { continue };
        if let Some((_, constraint, operators)) = facts.serving.get(&oid) {
            let Some(found) = table.constraints.get_mut(constraint) else { continue };
            found.index = index;
            serve(found, operators);
            places.push((oid, relation.key.clone(), relation.kind, constraint.clone(), true));
        } else {
            table.indexes.insert(name.clone(), index);
            places.push((oid, relation.key.clone(), relation.kind, name, false));
        }
    }
    facts.indexes = places
        .into_iter()
        .map(|(oid, table, kind, name, serves)| (oid, (table, kind, name, serves)))
        .collect();
    attributes(facts, catalog);
    Ok(())
}

fn index(cells: &mut Cursor<'_>) -> Result<Index, Error> {
    Ok(Index {
        method: cells.text()?,
        unique: cells.take()?,
        nulls_not_distinct: cells.take()?,
        invalid: !cells.take::<bool>()?,
        not_ready: !cells.take::<bool>()?,
        clustered: cells.take()?,
        replica_identity: cells.take()?,
        options: cells.options()?,
        tablespace: cells.text()?,
        ..Index::default()
    })
}

/// The columns, as written by `pg_get_indexdef`.
fn elements(
    index: &mut Index,
    relation: &Relation,
    facts: &Facts,
    cells: &mut Cursor<'_>,
    expressions: Vec<String>,
) -> Result<(), Error> {
    let keys = usize::try_from(cells.take::<i16>()?).unwrap_or_default();
    let numbers: Vec<i16> = cells.take()?;
    let classes: Vec<u32> = cells.take()?;
    let collations: Vec<u32> = cells.take()?;
    let orders: Vec<i16> = cells.take()?;
    let mut expressions = expressions.into_iter();
    for (place, number) in numbers.into_iter().enumerate() {
        let column =
            usize::try_from(number).ok().and_then(|number| relation.columns.get(number.checked_sub(1)?));
        let mut element = match column {
            Some(column) => column.name.clone(),
            None => wrapped(expressions.next().unwrap_or_default()),
        };
        if place >= keys {
            index.include.push(element);
            continue;
        }
        let collation = collations.get(place).copied().unwrap_or_default();
        // Only the server knows the default collation of an expression; the database's collation is omitted.
        if collation != column.map_or(100, |column| column.collation) && collation != 0 {
            let name = facts.collations.get(&collation).map_or("?", String::as_str);
            element.push_str(&format!(" collate {name}"));
        }
        let class = classes.get(place).and_then(|class| facts.classes.get(class));
        if let Some(class) =
            class.filter(|class| !is_implied(class, column.map(|column| column.type_oid), facts))
        {
            element.push_str(&format!(" {}", class.name));
        }
        element.push_str(match orders.get(place).copied().unwrap_or_default() & 3 {
            1 => " desc nulls last",
            2 => " nulls first",
            3 => " desc",
            _ => "",
        });
        index.columns.push(element);
    }
    Ok(())
}

/// Whether this operator class is the server's default choice.
fn is_implied(class: &crate::facts::Class, column: Option<u32>, facts: &Facts) -> bool {
    let other = |column| class.input != column && facts.default_classes.contains(&(class.method, column));
    class.default && !column.is_some_and(other)
}

/// An expression in parentheses, unless it is a function call, which needs none.
fn wrapped(expression: String) -> String {
    if expression.starts_with('(') || expression.ends_with(')') {
        expression
    } else {
        format!("({expression})")
    }
}

/// Removes the constraint's own properties from its index.
fn serve(constraint: &mut super::Constraint, operators: &[String]) {
    let index = &mut constraint.index;
    index.unique = false;
    let usual = match constraint.kind.as_str() {
        "exclude" => "gist",
        _ if constraint.period => "gist",
        _ => "btree",
    };
    if index.method == usual {
        index.method.clear();
    }
    if !operators.is_empty() && constraint.kind == "exclude" {
        let elements = index.columns.drain(..).zip(operators);
        constraint.columns =
            elements.map(|(element, operator)| format!("{element} with {operator}")).collect();
    } else if index.columns == constraint.columns || constraint.period {
        index.columns.clear();
    }
}

/// Statistics targets and operator class parameters, which are attributes of the index's own columns.
fn attributes(facts: &mut Facts, catalog: &mut Catalog) {
    for (oid, attributes) in std::mem::take(&mut facts.index_attributes) {
        let Some((table, kind, name, serves)) = facts.indexes.get(&oid) else { continue };
        let Some(table) = catalog.relations_mut(*kind).and_then(|map| map.get_mut(table)) else {
            continue;
        };
        for IndexAttribute { place, target, options } in attributes {
            let words: Vec<String> =
                options.iter().map(|(option, value)| format!("{option} = {}", literal(value))).collect();
            let (mut constraint, mut plain) = (None, None);
            if *serves {
                constraint = table.constraints.get_mut(name);
            } else {
                plain = table.indexes.get_mut(name);
            }
            let at = usize::try_from(place).unwrap_or(1).max(1) - 1;
            let element = match (&mut constraint, &mut plain) {
                (Some(constraint), _) if constraint.index.columns.is_empty() => {
                    constraint.columns.get_mut(at)
                }
                (Some(constraint), _) => constraint.index.columns.get_mut(at),
                (_, Some(index)) => index.columns.get_mut(at),
                _ => None,
            };
            if let (Some(element), false) = (element, words.is_empty()) {
                element.push_str(&format!(" ({})", words.join(", ")));
            }
            let index: Option<&mut Index> = constraint.map(|constraint| &mut constraint.index).or(plain);
            if let (Some(index), Some(target)) = (index, target) {
                index.statistics.insert(place.to_string(), target);
            }
        }
    }
}

impl Index {
    /// As readable text, without its name.
    pub(crate) fn words(&self) -> String {
        let mut words = Vec::new();
        if self.unique {
            words.push("unique".into());
        }
        if !self.method.is_empty() {
            words.push(self.method.clone());
        }
        for (title, columns) in [("", &self.columns), ("include ", &self.include)] {
            if !columns.is_empty() {
                words.push(format!("{title}({})", columns.join(", ")));
            }
        }
        if self.nulls_not_distinct {
            words.push("nulls not distinct".into());
        }
        if !self.options.is_empty() {
            words.push(format!("with ({})", crate::text::pairs(&self.options)));
        }
        if !self.tablespace.is_empty() {
            words.push(format!("tablespace {}", ident(&self.tablespace)));
        }
        if !self.predicate.is_empty() {
            words.push(format!("where {}", parenthesised(&self.predicate)));
        }
        if !self.partition_of.is_empty() {
            words.push(format!("partition of {}", self.partition_of));
        }
        words.extend(crate::text::needs(&self.extensions));
        words
            .extend(self.statistics.iter().map(|(place, target)| format!("statistics of {place}: {target}")));
        let flags = [
            (self.clustered, "clustered"),
            (self.replica_identity, "replica identity"),
            (self.invalid, "INVALID"),
            (self.not_ready, "NOT READY"),
        ];
        words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()));
        words.join(" ")
    }
}

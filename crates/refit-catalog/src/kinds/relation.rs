//! Tables, foreign tables, views and materialized views; columns, constraints and the rest have their own files.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use super::{Column, Constraint, Index, Policy, Rule, Trigger};
use crate::cursor::Cursor;
use crate::facts::{Facts, Relation, class};
use crate::grants::On;
use crate::quote::ident;
use crate::record::object;
use crate::{Catalog, Error, Grants, Options};

object! {
    /// A table, foreign table, view or materialized view: the map that contains it determines which.
    Table {
        /// Unlogged.
        unlogged: bool,
        /// A view's query.
        definition: String,
        /// A materialized view WITH NO DATA, or one that was never refreshed.
        not_populated: bool,
        /// In order.
        columns: Vec<Column>,
        /// The composite type of a typed table.
        of_type: String,
        /// Strategy and key of a partitioned table, such as `RANGE (k)`.
        partition_by: String,
        /// The partitioned table that it is a partition of.
        partition_of: String,
        /// The partition's bounds, such as `DEFAULT`.
        bounds: String,
        /// DETACH CONCURRENTLY has started and not finished.
        detaching: bool,
        /// Tables that it inherits from, in order.
        inherits: Vec<String>,
        /// Access method, unless it is `heap`.
        access_method: String,
        /// Tablespace, unless it is the database's.
        tablespace: String,
        /// Storage parameters or view options; those of the TOAST table begin with `toast.`.
        options: Options,
        /// The foreign server.
        server: String,
        /// A foreign table's options.
        server_options: Options,
        /// `full` or `nothing`; an index that serves as identity is marked itself.
        replica_identity: String,
        /// Row security: empty, `enabled`, `forced` or `forced, not enabled`.
        row_security: String,
        /// A materialized view's DEPENDS ON EXTENSION.
        extensions: Vec<String>,
        /// By name.
        constraints: BTreeMap<String, Constraint>,
        /// Those that serve no constraint, by name.
        indexes: BTreeMap<String, Index>,
        /// By name.
        triggers: BTreeMap<String, Trigger>,
        /// By name.
        policies: BTreeMap<String, Policy>,
        /// By name; a view's own rule is its definition.
        rules: BTreeMap<String, Rule>,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    "SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relowner, c.relispartition, c.relpersistence = 'u',
            c.relispopulated,
            CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END,
            CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END,
            CASE WHEN c.relispartition THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) END,
            m.amname, s.spcname, c.reloptions, t.reloptions, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
            c.relacl::text[], f.srvname, f.ftoptions
     FROM pg_class c
     LEFT JOIN pg_am m ON m.oid = c.relam AND m.amname <> 'heap'
     LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
     LEFT JOIN pg_class t ON t.oid = c.reltoastrelid AND t.reloptions IS NOT NULL
     LEFT JOIN (SELECT ftrelid, srvname, ftoptions FROM pg_foreign_table JOIN pg_foreign_server v ON v.oid = ftserver) f
       ON f.ftrelid = c.oid
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c') AND c.oid >= 16384 AND c.relpersistence <> 't'"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "tables and views");
        let oid: u32 = cells.take()?;
        let mut relation = relation(oid, &mut cells, facts)?;
        let (shown, kind, owner) = (relation.shown, relation.kind, relation.owner);
        if kind == 'S' {
            relation.grants = facts.grants(On::Sequence, owner, row_acl(row)?);
        }
        let unlogged = relation.unlogged;
        let key = relation.key.clone();
        facts.relations.insert(oid, relation);
        if !shown || matches!(kind, 'S' | 'c') {
            continue;
        }
        let mut table = Table { unlogged, ..table(&mut cells, kind)? };
        table.grants = facts.grants(On::Table, owner, cells.take()?);
        table.server = cells.text().map(|name| if name.is_empty() { name } else { ident(&name) })?;
        table.server_options = cells.options()?;
        table.owner = facts.owner(owner);
        table.comment = facts.comment(class::RELATION, oid);
        table.labels = facts.labels(class::RELATION, oid, 0);
        table.extensions = facts.needed(class::RELATION, oid);
        if let Some(map) = catalog.relations_mut(kind) {
            map.insert(key, table);
        }
    }
    Ok(())
}

fn relation(oid: u32, cells: &mut Cursor<'_>, facts: &Facts) -> Result<Relation, Error> {
    let name = cells.text()?;
    let (schema, kind) = (cells.take()?, cells.letter()?);
    let shown = facts.ours(class::RELATION, oid, schema) && !facts.is_hidden_table(&name);
    Ok(Relation {
        key: facts.key(schema, &name),
        name,
        schema,
        kind,
        owner: cells.take()?,
        shown,
        partition: cells.take()?,
        unlogged: cells.take()?,
        grants: Grants::new(),
        columns: Vec::new(),
    })
}

/// The access list, which follows the columns that only tables have.
fn row_acl(row: &Row) -> Result<Option<Vec<String>>, Error> {
    Cursor::after(row, "tables and views", 18).take()
}

fn table(cells: &mut Cursor<'_>, kind: char) -> Result<Table, Error> {
    let mut table = Table { not_populated: !cells.take::<bool>()? && kind == 'm', ..Table::default() };
    table.of_type = cells.text()?;
    table.partition_by = cells.text()?;
    table.bounds = cells.text()?;
    table.access_method = cells.text()?;
    table.tablespace = cells.text()?;
    table.options = cells.options()?;
    let toast = cells.options()?.into_iter().map(|(name, value)| (format!("toast.{name}"), value));
    table.options.extend(toast);
    table.replica_identity = match cells.letter()? {
        'f' => "full".into(),
        'n' if kind != 'v' && kind != 'm' && kind != 'f' => "nothing".into(),
        _ => String::new(),
    };
    table.row_security = match (cells.take()?, cells.take()?) {
        (false, false) => "",
        (true, false) => "enabled",
        (true, true) => "forced",
        (false, true) => "forced, not enabled",
    }
    .into();
    Ok(table)
}

/// Parents: of partitions and of children.
pub(crate) mod parents {
    use super::{Catalog, Cursor, Error, Facts, Row};

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT inhrelid, inhparent, inhdetachpending FROM pg_inherits ORDER BY inhrelid, inhseqno".into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "inheritance");
            let (child, parent): (u32, u32) = (cells.take()?, cells.take()?);
            let name = facts.relation(parent);
            // Indexes have parents too; they are recorded with the index.
            let Some(relation) = facts.shown(child) else { continue };
            let Some(table) = catalog.relation_mut(relation) else { continue };
            if relation.partition {
                table.partition_of = name;
                table.detaching = cells.take()?;
            } else {
                table.inherits.push(name);
            }
        }
        Ok(())
    }
}

/// The queries of views. This is the most expensive query: it is sent last, so that the client processes other answers
/// in the meantime.
pub(crate) mod queries {
    use super::{Catalog, Cursor, Error, Facts, Row};

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT oid, pg_catalog.pg_get_viewdef(oid) FROM pg_class
         WHERE relkind IN ('v', 'm') AND oid >= 16384 AND relpersistence <> 't'"
            .into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "views");
            let Some(relation) = facts.shown(cells.take()?) else { continue };
            if let Some(view) = catalog.relation_mut(relation) {
                view.definition = cells.deparsed()?;
            }
        }
        Ok(())
    }
}

//! Columns, their defaults, and the sequences of identity columns.

use tokio_postgres::Row;

use super::Elsewhere;
use super::sequence::Numbers;
use crate::cursor::Cursor;
use crate::facts::{Attribute, Facts, IndexAttribute, class};
use crate::grants::On;
use crate::quote::ident;
use crate::record::record;
use crate::{Catalog, Error, Grants, Options};

record! {
    /// A column of a table or view, or an attribute of a composite type.
    Column {
        /// Its name, quoted where SQL needs it.
        name: String,
        /// With its modifiers, as `format_type` writes it.
        #[serde(rename = "type")]
        type_name: String,
        /// If it differs from the type's.
        collation: String,
        /// NOT NULL.
        not_null: bool,
        /// DEFAULT.
        default: String,
        /// The expression of a generated column.
        generated: String,
        /// GENERATED … VIRTUAL (PostgreSQL 18) instead of STORED.
        is_virtual: bool,
        /// GENERATED … AS IDENTITY.
        identity: Option<Identity>,
        /// If it differs from the type's: `plain`, `external`, `extended`, `main`.
        storage: String,
        /// `pglz` or `lz4`.
        compression: String,
        /// SET STATISTICS.
        statistics: Option<i32>,
        /// `n_distinct` and the like.
        options: Options,
        /// A foreign table's column options.
        server_options: Options,
        /// Inherited from a parent instead of defined by the table itself.
        inherited: bool,
        /// COMMENT ON COLUMN.
        comment: String,
        /// Privileges on the column.
        grants: Grants,
        /// SECURITY LABEL.
        labels: Vec<String>,
    }
}

record! {
    /// An identity column's generation.
    Identity {
        /// GENERATED ALWAYS instead of BY DEFAULT.
        always: bool,
        /// The sequence's name, if it differs from the one that PostgreSQL generates.
        sequence: String,
        /// The sequence's options.
        numbers: Numbers,
        /// The sequence is unlogged (PostgreSQL 15) though the table is not, or the other way round.
        other_persistence: bool,
        /// Privileges on the sequence.
        grants: Grants,
        /// COMMENT ON SEQUENCE.
        comment: String,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    // Index columns with properties are included: a separate query of the largest catalog would be expensive.
    "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attcollation,
                pg_catalog.format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation END, a.attnotnull, a.attidentity, a.attgenerated,
                CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage ELSE '-' END, a.attcompression,
                coalesce(a.attstattarget, -1)::int4, a.attoptions, a.attfdwoptions, a.attislocal, a.attacl::text[]
         FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         JOIN pg_type t ON t.oid = a.atttypid
         WHERE (c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') OR c.relkind IN ('i', 'I')
                AND (coalesce(a.attstattarget, -1) >= 0 OR a.attoptions IS NOT NULL))
           AND c.oid >= 16384 AND c.relpersistence <> 't'"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    let mut order = Vec::with_capacity(rows.len());
    for row in rows {
        let mut cells = Cursor::new(row, "columns");
        order.push((cells.take::<u32>()?, cells.take::<i16>()?, row));
    }
    order.sort_by_key(|(relation, number, _)| (*relation, *number));
    for (oid, number, row) in order {
        let mut cells = Cursor::after(row, "columns", 2);
        let name = ident(cells.take()?);
        let (type_oid, collation) = (cells.take()?, cells.take()?);
        let generated = matches!(Cursor::after(row, "columns", 9).letter()?, 's' | 'v');
        let attribute = Attribute { name: name.clone(), type_oid, collation, generated };
        let Some(relation) = facts.relations.get_mut(&oid) else {
            // An index is not among the relations.
            let attribute = of_index(number, &mut cells)?;
            facts.index_attributes.entry(oid).or_default().push(attribute);
            continue;
        };
        // Dropped columns leave gaps.
        let index = usize::try_from(number).unwrap_or(1).max(1) - 1;
        relation
            .columns
            .resize(index, Attribute { name: "?".into(), type_oid: 0, collation: 0, generated: false });
        relation.columns.push(attribute);
        if !relation.shown {
            of_extension(oid, &name, row, facts, catalog)?;
            continue;
        }
        let (owner, kind, partition) = (relation.owner, relation.kind, relation.partition);
        let mut column = column(name, &mut cells, facts)?;
        let local: bool = cells.take()?;
        // Whether a partition's columns are its own depends on how it was created, and a restore changes it.
        column.inherited = !local && !partition;
        column.grants = facts.grants(On::Column, owner, cells.take()?);
        column.comment = facts.comment_at(class::RELATION, oid, number.into());
        column.labels = facts.labels(class::RELATION, oid, number.into());
        let Some(relation) = facts.relations.get(&oid) else { continue };
        if kind == 'c' {
            catalog.composites.entry(relation.key.clone()).or_default().attributes.push(column);
        } else if let Some(table) = catalog.relation_mut(relation) {
            table.columns.push(column);
        }
    }
    Ok(())
}

/// Privileges on a column of an extension's table, which has none by default.
fn of_extension(oid: u32, name: &str, row: &Row, facts: &Facts, catalog: &mut Catalog) -> Result<(), Error> {
    let list: Option<Vec<String>> = Cursor::after(row, "columns", 16).take()?;
    if let (Some(list), Some(relation), false) =
        (list, facts.relations.get(&oid), facts.ours_anywhere(class::RELATION, oid))
    {
        let grants = facts.grants(On::Column, relation.owner, Some(list));
        catalog.elsewhere.insert(format!("column {name} of relation {}", relation.key), Elsewhere { grants });
    }
    Ok(())
}

fn of_index(place: i16, cells: &mut Cursor<'_>) -> Result<IndexAttribute, Error> {
    cells.skip(7);
    let target = Some(cells.take::<i32>()?).filter(|target| *target >= 0);
    Ok(IndexAttribute { place, target, options: cells.options()? })
}

fn column(name: String, cells: &mut Cursor<'_>, facts: &Facts) -> Result<Column, Error> {
    let mut column = Column { name, type_name: cells.deparsed()?, ..Column::default() };
    if let Some(collation) = cells.take::<Option<u32>>()?.filter(|oid| *oid != 0) {
        column.collation = facts.collations.get(&collation).map_or("?", String::as_str).to_owned();
    }
    column.not_null = cells.take()?;
    column.identity = match cells.letter()? {
        'a' => Some(Identity { always: true, ..Identity::default() }),
        'd' => Some(Identity::default()),
        _ => None,
    };
    column.is_virtual = cells.letter()? == 'v';
    column.storage = match cells.letter()? {
        'p' => "plain",
        'e' => "external",
        'x' => "extended",
        'm' => "main",
        _ => "",
    }
    .into();
    column.compression = match cells.letter()? {
        'p' => "pglz",
        'l' => "lz4",
        _ => "",
    }
    .into();
    column.statistics = Some(cells.take::<i32>()?).filter(|target| *target >= 0);
    column.options = cells.options()?;
    column.server_options = cells.options()?;
    Ok(column)
}

//! Sequences: independent ones, those owned by a column, and those of identity columns.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::{Facts, class};
use crate::quote::{bare, given_name};
use crate::record::{object, record};
use crate::text::Sheet;
use crate::{Catalog, Error};

object! {
    /// A sequence. Its current value is data, and not recorded.
    Sequence {
        /// `bigint`, `integer` or `smallint`.
        data_type: String,
        /// Its options.
        numbers: Numbers,
        /// The column that it is dropped with.
        owned_by: String,
        /// Unlogged (PostgreSQL 15).
        unlogged: bool,
    }
}

record! {
    /// The options of a sequence, if they are not the defaults of its type.
    Numbers {
        /// START WITH.
        start: Option<i64>,
        /// INCREMENT BY.
        increment: Option<i64>,
        /// MINVALUE.
        min: Option<i64>,
        /// MAXVALUE.
        max: Option<i64>,
        /// CACHE.
        cache: Option<i64>,
        /// CYCLE.
        cycle: bool,
    }
}

impl Numbers {
    /// As in CREATE SEQUENCE; empty for the default.
    pub(crate) fn words(&self) -> String {
        let parts = [
            ("start", self.start),
            ("increment", self.increment),
            ("min", self.min),
            ("max", self.max),
            ("cache", self.cache),
        ];
        let mut words: Vec<String> =
            parts.iter().filter_map(|(word, value)| Some(format!("{word} {}", (*value)?))).collect();
        if self.cycle {
            words.push("cycle".into());
        }
        words.join(" ")
    }
}

pub(crate) fn sql(_version: u32) -> String {
    "SELECT s.seqrelid, pg_catalog.format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
            s.seqcycle, d.refobjid, d.refobjsubid::int2, d.deptype = 'i'
     FROM pg_sequence s
     LEFT JOIN pg_depend d ON d.classid = 1259 AND d.objid = s.seqrelid AND d.objsubid = 0 AND d.refclassid = 1259
       AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
     WHERE s.seqrelid >= 16384"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "sequences");
        let oid: u32 = cells.take()?;
        let Some(relation) = facts.shown(oid) else { continue };
        let data_type = cells.text()?;
        let numbers = numbers(&data_type, &mut cells)?;
        let (unlogged, grants) = (relation.unlogged, relation.grants.clone());
        let table: Option<u32> = cells.take()?;
        let column = cells.take::<Option<i16>>()?.unwrap_or_default();
        let identity = cells.take::<Option<bool>>()?.unwrap_or_default();
        let table = table.and_then(|table| facts.relations.get(&table));
        // A sequence owned by an omitted table is omitted too.
        if table.is_some_and(|table| !table.shown) {
            continue;
        }
        let comment = facts.comment(class::RELATION, oid);
        if let (true, Some(table)) = (identity, table) {
            let table_unlogged = table.unlogged;
            let given = facts.key(table.schema, &given_name(&table.name, &bare(table.column(column)), "seq"));
            let sequence = if given == relation.key { String::new() } else { relation.key.clone() };
            let name = table.column(column).to_owned();
            let column = catalog.column_mut(table, &name);
            if let Some(found) = column.and_then(|column| column.identity.as_mut()) {
                found.sequence = sequence;
                found.numbers = numbers;
                // Before PostgreSQL 15 sequences were always logged.
                found.other_persistence = unlogged != table_unlogged && facts.version >= 15;
                found.grants = grants;
                found.comment = comment;
            }
            continue;
        }
        let owned_by =
            table.map_or_else(String::new, |table| format!("{}.{}", table.key, table.column(column)));
        let sequence = Sequence {
            data_type,
            numbers,
            owned_by,
            unlogged,
            comment,
            owner: facts.owner(relation.owner),
            grants,
            labels: facts.labels(class::RELATION, oid, 0),
        };
        catalog.sequences.insert(relation.key.clone(), sequence);
    }
    Ok(())
}

fn numbers(data_type: &str, cells: &mut Cursor<'_>) -> Result<Numbers, Error> {
    let (start, increment): (i64, i64) = (cells.take()?, cells.take()?);
    let (min, max, cache): (i64, i64, i64) = (cells.take()?, cells.take()?, cells.take()?);
    let (lowest, highest) = match data_type {
        "smallint" => (i16::MIN.into(), i16::MAX.into()),
        "integer" => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    let up = increment > 0;
    let unless = |value: i64, default: i64| Some(value).filter(|value| *value != default);
    Ok(Numbers {
        start: unless(start, if up { min } else { max }),
        increment: unless(increment, 1),
        min: unless(min, if up { 1 } else { lowest }),
        max: unless(max, if up { highest } else { -1 }),
        cache: unless(cache, 1),
        cycle: cells.take()?,
    })
}

pub(crate) fn text(sheet: &mut Sheet, name: &str, sequence: &Sequence) {
    let unlogged = if sequence.unlogged { "unlogged " } else { "" };
    let mut head = format!("{unlogged}sequence {name} {}", sequence.data_type);
    let words = sequence.numbers.words();
    if !words.is_empty() {
        head.push_str(&format!(" {words}"));
    }
    if !sequence.owned_by.is_empty() {
        head.push_str(&format!(" owned by {}", sequence.owned_by));
    }
    sheet.block(&head);
    sheet.tail(sequence);
}

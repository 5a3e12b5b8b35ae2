//! Expressions of defaults, checks, indexes and policies, in the server's words.
//!
//! Deparsing is what takes a server's time: it loads all that there is to know about a table for every one that it looks at.
//! Most schemas have the same expression in many tables, so equal ones are deparsed once: those whose parsed form is equal,
//! in tables whose columns have the same names at the same places. Expressions that name a table as a whole are taken
//! by themselves.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::Facts;
use crate::{Catalog, Error};

/// Which part of an object an expression is; the object is an OID.
pub(crate) const DEFAULT: char = 'd';
pub(crate) const CHECK: char = 'c';
pub(crate) const PREDICATE: char = 'w';
pub(crate) const INDEXED: char = 'x';
pub(crate) const USING: char = 'u';
pub(crate) const WITH_CHECK: char = 'k';

pub(crate) fn sql(_version: u32) -> String {
    let one = |part: char, oid: &str, relation: &str, tree: &str, catalog: &str| {
        format!(
            "SELECT '{part}'::\"char\" AS part, {oid} AS oid, {relation} AS relation, {tree} AS tree
             FROM {catalog} WHERE {tree} IS NOT NULL AND {relation} >= 16384"
        )
    };
    let single = "array_length(array_positions(indkey::int2[], 0::int2), 1) = 1";
    let all = [
        one(DEFAULT, "oid", "adrelid", "adbin", "pg_attrdef"),
        one(CHECK, "oid", "conrelid", "conbin", "pg_constraint"),
        one(PREDICATE, "indexrelid", "indrelid", "indpred", "pg_index"),
        format!("{} AND {single}", one(INDEXED, "indexrelid", "indrelid", "indexprs", "pg_index")),
        one(USING, "oid", "polrelid", "polqual", "pg_policy"),
        one(WITH_CHECK, "oid", "polrelid", "polwithcheck", "pg_policy"),
    ];
    format!(
        "WITH found AS NOT MATERIALIZED ({}),
         names AS MATERIALIZED (
           SELECT attrelid, bit_xor(hashtextextended(attname::text, attnum)) AS names FROM pg_attribute
           WHERE attnum > 0 AND attrelid >= 16384 GROUP BY attrelid),
         same AS MATERIALIZED (
           SELECT f.part, f.oid, CASE WHEN strpos(f.tree::text, ':varattno 0 ') > 0 THEN f.oid::bigint
                                      ELSE hashtextextended(f.tree::text, n.names) END AS key
           FROM found f JOIN names n ON n.attrelid = f.relation
           JOIN pg_class c ON c.oid = f.relation AND c.relpersistence <> 't'),
         words AS MATERIALIZED (
           SELECT s.part, s.key, pg_get_expr(f.tree, f.relation) AS words
           FROM (SELECT part, key, min(oid) AS oid FROM same GROUP BY part, key) s
           JOIN found f ON f.part = s.part AND f.oid = s.oid)
         SELECT s.part, s.oid, w.words FROM same s JOIN words w ON w.part = s.part AND w.key = s.key",
        all.join(" UNION ALL ")
    )
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, _catalog: &mut Catalog) -> Result<(), Error> {
    facts.expressions.reserve(rows.len());
    for row in rows {
        let mut cells = Cursor::new(row, "expressions");
        let key = (cells.letter()?, cells.take()?);
        facts.expressions.insert(key, cells.deparsed()?);
    }
    Ok(())
}

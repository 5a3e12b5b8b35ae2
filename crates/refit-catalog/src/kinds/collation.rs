//! Collations created by users; the server's own are only needed by name.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "collations",
    class: class::COLLATION,
    on: On::Nothing,
    probe: Some("pg_collation WHERE oid >= 16384"),
    sql,
    properties: &["provider", "deterministic", "lc_collate", "lc_ctype", "locale", "rules"],
    map: |catalog| &mut catalog.collations,
};

fn sql(version: u32) -> String {
    let locale = match version {
        ..15 => "CASE WHEN collprovider = 'i' THEN collcollate END",
        15 | 16 => "colliculocale",
        _ => "colllocale",
    };
    let rules = if version >= 16 { "collicurules" } else { "NULL" };
    format!(
        "SELECT oid, collnamespace, collname, CASE WHEN collencoding >= 0 AND (SELECT pg_catalog.count(*) FROM pg_collation o
                  WHERE o.collname = c.collname AND o.collnamespace = c.collnamespace) > 1
                  THEN ' for ' || pg_catalog.pg_encoding_to_char(collencoding) ELSE '' END,
                collowner, NULL::text[],
                CASE collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' ELSE 'default' END,
                CASE WHEN NOT collisdeterministic THEN 'false' END,
                CASE WHEN collprovider = 'c' THEN collcollate END, CASE WHEN collprovider = 'c' THEN collctype END,
                {locale}, {rules}, NULL::text[]
         FROM pg_collation c WHERE oid >= 16384"
    )
}

/// The names of all collations, for the indexes.
pub(crate) mod names {
    use tokio_postgres::Row;

    use crate::cursor::Cursor;
    use crate::facts::Facts;
    use crate::{Catalog, Error};

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT oid, collnamespace, collname FROM pg_collation".into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, _catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "collations");
            let (oid, schema, name): (u32, u32, &str) = (cells.take()?, cells.take()?, cells.take()?);
            let name = facts.short(schema, name);
            facts.collations.insert(oid, name);
        }
        Ok(())
    }
}

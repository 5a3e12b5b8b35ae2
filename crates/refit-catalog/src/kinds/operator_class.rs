//! Operator classes; their operators and functions are recorded with the family.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "operator classes",
    class: class::OPERATOR_CLASS,
    on: On::Nothing,
    probe: Some("pg_opclass WHERE oid >= 16384"),
    sql,
    properties: &["for", "family", "default", "storage"],
    map: |catalog| &mut catalog.operator_classes,
};

fn sql(_version: u32) -> String {
    "SELECT c.oid, c.opcnamespace, c.opcname, ' using ' || pg_catalog.quote_ident(m.amname), c.opcowner, NULL::text[],
            pg_catalog.format_type(c.opcintype, NULL), pg_catalog.format('%I.%I', n.nspname, f.opfname), CASE WHEN c.opcdefault THEN 'true' END,
            CASE WHEN c.opckeytype <> 0 THEN pg_catalog.format_type(c.opckeytype, NULL) END, NULL::text[]
     FROM pg_opclass c JOIN pg_am m ON m.oid = c.opcmethod JOIN pg_opfamily f ON f.oid = c.opcfamily
     JOIN pg_namespace n ON n.oid = f.opfnamespace WHERE c.oid >= 16384"
        .into()
}

/// All operator classes, for the indexes.
pub(crate) mod names {
    use tokio_postgres::Row;

    use crate::cursor::Cursor;
    use crate::facts::{Class, Facts};
    use crate::{Catalog, Error};

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT oid, opcnamespace, opcname, opcmethod, opcintype, opcdefault FROM pg_opclass".into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, _catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "operator classes");
            let (oid, schema, name): (u32, u32, &str) = (cells.take()?, cells.take()?, cells.take()?);
            let name = facts.short(schema, name);
            let class = Class { name, method: cells.take()?, input: cells.take()?, default: cells.take()? };
            if class.default {
                facts.default_classes.insert((class.method, class.input));
            }
            facts.classes.insert(oid, class);
        }
        Ok(())
    }
}

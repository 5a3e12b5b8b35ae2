//! Changed privileges on objects that are not the users': the server's own objects and members of extensions.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::{FIRST, Facts, class};
use crate::grants::On;
use crate::quote::ident;
use crate::record::record;
use crate::{Catalog, Error, Grants};

record! {
    /// Changed privileges on an object of the server or of an extension.
    Elsewhere {
        /// All grants, as the difference from the defaults of the kind.
        grants: Grants,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    // The schema `public` is recorded among the schemas. Privileges in information_schema are created by initdb, which
    // does not mark them. Columns of extensions' tables are recorded with the columns.
    let parts = [
        "SELECT 1259::oid AS class, oid, 0 AS part, relowner AS owner, relacl AS acl FROM pg_class
         WHERE relacl IS NOT NULL AND relnamespace <> 'information_schema'::regnamespace",
        "SELECT 1259, attrelid, attnum, 0, attacl FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid < 16384",
        "SELECT 1255, oid, 0, proowner, proacl FROM pg_proc WHERE proacl IS NOT NULL",
        "SELECT 1247, oid, 0, typowner, typacl FROM pg_type WHERE typacl IS NOT NULL",
        "SELECT 2612, oid, 0, lanowner, lanacl FROM pg_language WHERE lanacl IS NOT NULL",
        "SELECT 2328, oid, 0, fdwowner, fdwacl FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL",
        "SELECT 2615, oid, 0, nspowner, nspacl FROM pg_namespace
         WHERE nspacl IS NOT NULL AND nspname NOT IN ('public', 'information_schema')",
    ];
    format!(
        "WITH given AS MATERIALIZED ({})
         SELECT class, oid, part, owner, acl::text[],
                CASE class WHEN 1259 THEN (SELECT relkind::text FROM pg_class c WHERE c.oid = g.oid) END,
                CASE class WHEN 1259 THEN 'relation ' || oid::regclass WHEN 1255 THEN 'function ' || oid::regprocedure
                  WHEN 1247 THEN 'type ' || pg_catalog.format_type(oid, NULL)
                  WHEN 2612 THEN 'language ' || (SELECT pg_catalog.quote_ident(lanname) FROM pg_language l WHERE l.oid = g.oid)
                  WHEN 2328 THEN 'foreign data wrapper ' ||
                    (SELECT pg_catalog.quote_ident(fdwname) FROM pg_foreign_data_wrapper f WHERE f.oid = g.oid)
                  ELSE 'schema ' || oid::regnamespace END,
                CASE WHEN part > 0 THEN (SELECT attname FROM pg_attribute a WHERE a.attrelid = g.oid AND a.attnum = part) END
         FROM given g
         WHERE (oid < 16384 OR (class, oid) IN (SELECT classid, objid FROM pg_depend WHERE refclassid = 3079 AND deptype = 'e'))
           AND (class, oid, part, acl::text) NOT IN (SELECT classoid, objoid, objsubid, initprivs::text FROM pg_init_privs)",
        parts.join(" UNION ALL ")
    )
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "privileges");
        let (class, oid, part, owner): (u32, u32, i32, u32) =
            (cells.take()?, cells.take()?, cells.take()?, cells.take()?);
        if facts.ours_anywhere(class, oid) && oid >= FIRST {
            continue;
        }
        let list = cells.take()?;
        let on = match (class, cells.text()?.as_str()) {
            (class::RELATION, _) if part > 0 => On::Column,
            (class::RELATION, "S") => On::Sequence,
            (class::RELATION, _) => On::Table,
            (class::PROC, _) => On::Function,
            (class::TYPE, _) => On::Type,
            (class::LANGUAGE, _) => On::Language,
            (class::WRAPPER, _) => On::Wrapper,
            _ => On::Schema,
        };
        let grants = facts.grants(on, owner, list);
        let name = cells.text()?;
        let name = match cells.take::<Option<&str>>()? {
            Some(column) => format!("column {column} of {name}", column = ident(column)),
            None => name,
        };
        catalog.elsewhere.insert(name, Elsewhere { grants });
    }
    Ok(())
}

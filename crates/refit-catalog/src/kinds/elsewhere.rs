//! Privileges on what is not the users': the server's own objects and members of extensions, where they were changed.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::{FIRST, Facts, class};
use crate::grants::On;
use crate::record::record;
use crate::{Catalog, Error, Grants};

record! {
    /// Changed privileges on an object of the server or of an extension.
    Elsewhere {
        /// All that is granted, as the difference to what the kind grants by default.
        grants: Grants,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    // The schema `public` is told among the schemas. Those on information_schema are made by initdb, which does not say so.
    let one = |class: u32, table: &str, acl: &str, owner: &str, name: &str| {
        format!(
            "SELECT {class}::oid AS class, o.oid, false AS is_column, {owner} AS owner, o.{acl} AS acl, {name} AS name, i.initprivs
             FROM {table} o LEFT JOIN pg_init_privs i ON i.classoid = {class} AND i.objoid = o.oid AND i.objsubid = 0
             WHERE o.{acl} IS NOT NULL"
        )
    };
    let columns = |which: &str| {
        format!(
            "SELECT 1259::oid, a.attrelid, true, c.relowner, a.attacl,
                    format('column %s.%I', a.attrelid::regclass, a.attname), i.initprivs
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             LEFT JOIN pg_init_privs i ON i.classoid = 1259 AND i.objoid = a.attrelid AND i.objsubid = a.attnum
             WHERE a.attacl IS NOT NULL AND {which}"
        )
    };
    let parts = [
        one(class::RELATION, "pg_class", "relacl", "relowner", "'relation ' || o.oid::regclass"),
        one(class::PROC, "pg_proc", "proacl", "proowner", "'function ' || o.oid::regprocedure"),
        one(class::TYPE, "pg_type", "typacl", "typowner", "'type ' || format_type(o.oid, NULL)"),
        one(class::LANGUAGE, "pg_language", "lanacl", "lanowner", "'language ' || quote_ident(lanname)"),
        one(
            class::WRAPPER,
            "pg_foreign_data_wrapper",
            "fdwacl",
            "fdwowner",
            "'foreign data wrapper ' || quote_ident(fdwname)",
        ),
        one(class::SCHEMA, "pg_namespace", "nspacl", "nspowner", "'schema ' || quote_ident(nspname)"),
        columns("a.attrelid < 16384"),
        columns("a.attrelid IN (SELECT objid FROM pg_depend WHERE classid = 1259 AND deptype = 'e')"),
    ];
    format!(
        "SELECT class, oid, owner, acl::text[], CASE WHEN is_column THEN 'column'
                     WHEN class = 1259 THEN (SELECT relkind::text FROM pg_class c WHERE c.oid = p.oid) END, name
         FROM ({}) p
         WHERE acl IS DISTINCT FROM initprivs AND name NOT IN ('schema public', 'schema information_schema')
           AND name !~ '^(relation|column) information_schema\\.'
           AND (oid < 16384 OR EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = class AND d.objid = p.oid AND d.deptype = 'e'))",
        parts.join(" UNION ALL ")
    )
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "privileges");
        let (class, oid, owner): (u32, u32, u32) = (cells.take()?, cells.take()?, cells.take()?);
        if facts.ours_anywhere(class, oid) && oid >= FIRST {
            continue;
        }
        let list = cells.take()?;
        let on = match (class, cells.text()?.as_str()) {
            (class::RELATION, "S") => On::Sequence,
            (class::RELATION, "column") => On::Column,
            (class::RELATION, _) => On::Table,
            (class::PROC, _) => On::Function,
            (class::TYPE, _) => On::Type,
            (class::LANGUAGE, _) => On::Language,
            (class::WRAPPER, _) => On::Wrapper,
            _ => On::Schema,
        };
        let grants = facts.grants(on, owner, list);
        catalog.elsewhere.insert(cells.text()?, Elsewhere { grants });
    }
    Ok(())
}

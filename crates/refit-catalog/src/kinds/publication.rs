//! Publications with their tables, row filters, columns and schemas.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "publications",
    class: class::PUBLICATION,
    on: On::Nothing,
    probe: Some("pg_publication WHERE oid >= 16384"),
    sql,
    properties: &["all", "publish", "publish_via_partition_root", "publish_generated_columns"],
    map: |catalog| &mut catalog.publications,
};

fn sql(version: u32) -> String {
    let generated = if version >= 18 { "CASE WHEN p.pubgencols = 's' THEN 'stored' END" } else { "NULL" };
    let (columns, filter) = if version >= 15 {
        (
            "coalesce((SELECT ' (' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')' FROM pg_attribute a
               WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)), '')",
            "coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')",
        )
    } else {
        ("''", "''")
    };
    let schemas = if version >= 15 {
        "|| ARRAY(SELECT pg_catalog.format('schema %I=published', n.nspname) FROM pg_publication_namespace s
                  JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid)"
    } else {
        ""
    };
    format!(
        "SELECT p.oid, 0::oid, p.pubname, '', p.pubowner, NULL::text[], CASE WHEN p.puballtables THEN 'tables' END,
                nullif(pg_catalog.concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                  CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
                  'insert, update, delete, truncate'),
                CASE WHEN p.pubviaroot THEN 'true' END, {generated},
                ARRAY(SELECT pg_catalog.format('table %s=published%s%s', r.prrelid::regclass, {columns}, {filter})
                      FROM pg_publication_rel r WHERE r.prpubid = p.oid) {schemas}
         FROM pg_publication p WHERE p.oid >= 16384"
    )
}

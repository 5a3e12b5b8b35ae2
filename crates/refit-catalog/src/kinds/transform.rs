//! Transforms between types and languages.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "transforms",
    class: class::TRANSFORM,
    on: On::Nothing,
    probe: Some("pg_transform WHERE oid >= 16384"),
    sql,
    properties: &["from_sql", "to_sql"],
    map: |catalog| &mut catalog.transforms,
};

fn sql(_version: u32) -> String {
    "SELECT t.oid, 0::oid, '', pg_catalog.format('for %s language %I', pg_catalog.format_type(t.trftype, NULL), l.lanname), 0::oid, NULL::text[],
            CASE WHEN t.trffromsql <> 0 THEN t.trffromsql::oid::regprocedure::text END,
            CASE WHEN t.trftosql <> 0 THEN t.trftosql::oid::regprocedure::text END, NULL::text[]
     FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE t.oid >= 16384"
        .into()
}

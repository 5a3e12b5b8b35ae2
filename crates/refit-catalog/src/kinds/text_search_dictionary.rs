//! Text search dictionaries.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "text search dictionaries",
    class: class::DICTIONARY,
    on: On::Nothing,
    probe: Some("pg_ts_dict WHERE oid >= 16384"),
    sql,
    properties: &["template", "options"],
    map: |catalog| &mut catalog.text_search_dictionaries,
};

fn sql(_version: u32) -> String {
    "SELECT d.oid, d.dictnamespace, d.dictname, '', d.dictowner, NULL::text[],
            CASE n.nspname WHEN 'pg_catalog' THEN t.tmplname::text ELSE pg_catalog.format('%I.%I', n.nspname, t.tmplname) END,
            d.dictinitoption, NULL::text[]
     FROM pg_ts_dict d JOIN pg_ts_template t ON t.oid = d.dicttemplate JOIN pg_namespace n ON n.oid = t.tmplnamespace
     WHERE d.oid >= 16384"
        .into()
}

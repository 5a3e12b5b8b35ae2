//! Text search templates.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "text search templates",
    class: class::TEMPLATE,
    on: On::Nothing,
    probe: Some("pg_ts_template WHERE oid >= 16384"),
    sql,
    properties: &["init", "lexize"],
    map: |catalog| &mut catalog.text_search_templates,
};

fn sql(_version: u32) -> String {
    "SELECT oid, tmplnamespace, tmplname, '', 0::oid, NULL::text[],
            CASE WHEN tmplinit <> 0 THEN tmplinit::regproc::text END, tmpllexize::regproc::text, NULL::text[]
     FROM pg_ts_template WHERE oid >= 16384"
        .into()
}

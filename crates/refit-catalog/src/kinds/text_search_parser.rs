//! Text search parsers.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "text search parsers",
    class: class::PARSER,
    on: On::Nothing,
    probe: Some("pg_ts_parser WHERE oid >= 16384"),
    sql,
    properties: &["start", "gettoken", "end", "headline", "lextypes"],
    map: |catalog| &mut catalog.text_search_parsers,
};

fn sql(_version: u32) -> String {
    "SELECT oid, prsnamespace, prsname, '', 0::oid, NULL::text[], prsstart::regproc::text, prstoken::regproc::text,
            prsend::regproc::text, CASE WHEN prsheadline <> 0 THEN prsheadline::regproc::text END,
            prslextype::regproc::text, NULL::text[]
     FROM pg_ts_parser WHERE oid >= 16384"
        .into()
}

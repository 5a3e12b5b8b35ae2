//! Encoding conversions.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "conversions",
    class: class::CONVERSION,
    on: On::Nothing,
    probe: Some("pg_conversion WHERE oid >= 16384"),
    sql,
    properties: &["for", "to", "function", "default"],
    map: |catalog| &mut catalog.conversions,
};

fn sql(_version: u32) -> String {
    "SELECT oid, connamespace, conname, '', conowner, NULL::text[], pg_catalog.pg_encoding_to_char(conforencoding),
            pg_catalog.pg_encoding_to_char(contoencoding), conproc::regproc::text, CASE WHEN condefault THEN 'true' END, NULL::text[]
     FROM pg_conversion WHERE oid >= 16384"
        .into()
}

//! Access methods.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "access methods",
    class: class::ACCESS_METHOD,
    on: On::Nothing,
    probe: Some("pg_am WHERE oid >= 16384"),
    sql,
    properties: &["type", "handler"],
    map: |catalog| &mut catalog.access_methods,
};

fn sql(_version: u32) -> String {
    "SELECT oid, 0::oid, amname, '', 0::oid, NULL::text[],
            CASE amtype WHEN 'i' THEN 'index' WHEN 't' THEN 'table' ELSE amtype::text END, amhandler::regproc::text, NULL::text[]
     FROM pg_am WHERE oid >= 16384"
        .into()
}

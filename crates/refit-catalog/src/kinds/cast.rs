//! Casts.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "casts",
    class: class::CAST,
    on: On::Nothing,
    probe: Some("pg_cast WHERE oid >= 16384"),
    sql,
    properties: &["function", "method", "context"],
    map: |catalog| &mut catalog.casts,
};

fn sql(_version: u32) -> String {
    "SELECT oid, 0::oid, '', pg_catalog.format('(%s as %s)', pg_catalog.format_type(castsource, NULL), pg_catalog.format_type(casttarget, NULL)), 0::oid,
            NULL::text[], CASE WHEN castfunc <> 0 THEN castfunc::regprocedure::text END,
            CASE castmethod WHEN 'b' THEN 'binary' WHEN 'i' THEN 'inout' END,
            CASE castcontext WHEN 'i' THEN 'implicit' WHEN 'a' THEN 'assignment' END, NULL::text[]
     FROM pg_cast WHERE oid >= 16384
       AND NOT EXISTS (SELECT FROM pg_range WHERE rngtypid = castsource AND rngmultitypid = casttarget)"
        .into()
}

//! Event triggers.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "event triggers",
    class: class::EVENT_TRIGGER,
    on: On::Nothing,
    probe: Some("pg_event_trigger WHERE oid >= 16384"),
    sql,
    properties: &["on", "tags", "execute", "state"],
    map: |catalog| &mut catalog.event_triggers,
};

fn sql(_version: u32) -> String {
    "SELECT oid, 0::oid, evtname, '', evtowner, NULL::text[], evtevent,
            (SELECT pg_catalog.string_agg(tag, ', ' ORDER BY tag) FROM pg_catalog.unnest(evttags) tag), evtfoid::regproc::text,
            CASE evtenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END, NULL::text[]
     FROM pg_event_trigger WHERE oid >= 16384"
        .into()
}

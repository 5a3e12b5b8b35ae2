//! Subscriptions of this database. How to connect is left out: it carries passwords, and only superusers may see it.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "subscriptions",
    class: class::SUBSCRIPTION,
    on: On::Nothing,
    probe: Some("pg_subscription"),
    sql,
    properties: &["publications", "slot", "enabled", "binary", "synchronous_commit"],
    map: |catalog| &mut catalog.subscriptions,
};

fn sql(_version: u32) -> String {
    "SELECT oid, 0::oid, subname, '', subowner, NULL::text[], array_to_string(subpublications, ', '), subslotname,
            subenabled::text, CASE WHEN subbinary THEN 'true' END, nullif(subsynccommit, 'off'), NULL::text[]
     FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        .into()
}

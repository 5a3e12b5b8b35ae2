//! Extensions. What belongs to one is its own business and is left out everywhere else.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "extensions",
    class: class::EXTENSION,
    on: On::Nothing,
    sql,
    properties: &["schema", "version"],
    map: |catalog| &mut catalog.extensions,
};

fn sql(_version: u32) -> String {
    // A version is told where it is not the one that the server would install: servers differ in that.
    "SELECT greatest(e.oid, 16384::oid), 0::oid, e.extname, '', 0::oid, NULL::text[], n.nspname,
            CASE WHEN e.extversion IS DISTINCT FROM a.default_version THEN e.extversion END, NULL::text[]
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     LEFT JOIN pg_available_extensions() a ON a.name = e.extname"
        .into()
}

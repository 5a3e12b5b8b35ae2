//! Foreign servers.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "foreign servers",
    class: class::SERVER,
    on: On::Server,
    probe: Some("pg_foreign_server WHERE oid >= 16384"),
    sql,
    properties: &["wrapper", "type", "version"],
    map: |catalog| &mut catalog.foreign_servers,
};

fn sql(_version: u32) -> String {
    "SELECT s.oid, 0::oid, s.srvname, '', s.srvowner, s.srvacl::text[], w.fdwname, s.srvtype, s.srvversion,
            ARRAY(SELECT 'option ' || o FROM pg_catalog.unnest(s.srvoptions) o)
     FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE s.oid >= 16384"
        .into()
}

//! Foreign data wrappers that are not members of an extension.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "foreign data wrappers",
    class: class::WRAPPER,
    on: On::Wrapper,
    probe: Some("pg_foreign_data_wrapper WHERE oid >= 16384"),
    sql,
    properties: &["handler", "validator"],
    map: |catalog| &mut catalog.foreign_data_wrappers,
};

fn sql(_version: u32) -> String {
    "SELECT oid, 0::oid, fdwname, '', fdwowner, fdwacl::text[],
            CASE WHEN fdwhandler <> 0 THEN fdwhandler::regproc::text END,
            CASE WHEN fdwvalidator <> 0 THEN fdwvalidator::regproc::text END,
            ARRAY(SELECT 'option ' || o FROM pg_catalog.unnest(fdwoptions) o)
     FROM pg_foreign_data_wrapper WHERE oid >= 16384"
        .into()
}

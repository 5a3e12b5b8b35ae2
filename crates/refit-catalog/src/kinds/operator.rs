//! Operators.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "operators",
    class: class::OPERATOR,
    on: On::Nothing,
    probe: Some("pg_operator WHERE oid >= 16384"),
    sql,
    properties: &["function", "returns", "commutator", "negator", "restrict", "join", "hashes", "merges"],
    map: |catalog| &mut catalog.operators,
};

fn sql(_version: u32) -> String {
    // An operator's name cannot be quoted, so the key is assembled here. One without a function is a placeholder
    // created by another operator's COMMUTATOR or NEGATOR.
    "SELECT o.oid, 0::oid, '', pg_catalog.format('%I.%s (%s, %s)', n.nspname, o.oprname,
              CASE WHEN o.oprleft = 0 THEN 'none' ELSE pg_catalog.format_type(o.oprleft, NULL) END,
              CASE WHEN o.oprright = 0 THEN 'none' ELSE pg_catalog.format_type(o.oprright, NULL) END), o.oprowner, NULL::text[],
            CASE WHEN o.oprcode <> 0 THEN o.oprcode::oid::regprocedure::text END,
            CASE WHEN o.oprresult <> 0 THEN pg_catalog.format_type(o.oprresult, NULL) END,
            CASE WHEN o.oprcom <> 0 THEN o.oprcom::regoperator::text END,
            CASE WHEN o.oprnegate <> 0 THEN o.oprnegate::regoperator::text END,
            CASE WHEN o.oprrest <> 0 THEN o.oprrest::oid::regproc::text END,
            CASE WHEN o.oprjoin <> 0 THEN o.oprjoin::oid::regproc::text END,
            CASE WHEN o.oprcanhash THEN 'true' END, CASE WHEN o.oprcanmerge THEN 'true' END, NULL::text[]
     FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid >= 16384"
        .into()
}

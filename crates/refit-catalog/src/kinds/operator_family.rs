//! Operator families with their members, both those of a class and loose ones.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "operator families",
    class: class::OPERATOR_FAMILY,
    on: On::Nothing,
    probe: Some("pg_opfamily WHERE oid >= 16384"),
    sql,
    properties: &[],
    map: |catalog| &mut catalog.operator_families,
};

fn sql(_version: u32) -> String {
    "SELECT f.oid, f.opfnamespace, f.opfname, ' using ' || pg_catalog.quote_ident(m.amname), f.opfowner, NULL::text[],
            ARRAY(SELECT pg_catalog.format('operator %s (%s, %s)=%s%s', a.amopstrategy, pg_catalog.format_type(a.amoplefttype, NULL),
                                pg_catalog.format_type(a.amoprighttype, NULL), a.amopopr::regoperator,
                                CASE WHEN a.amopsortfamily <> 0 THEN ' for order by ' || (SELECT pg_catalog.format('%I.%I', n.nspname, s.opfname)
                                  FROM pg_opfamily s JOIN pg_namespace n ON n.oid = s.opfnamespace WHERE s.oid = a.amopsortfamily)
                                ELSE '' END)
                  FROM pg_amop a WHERE a.amopfamily = f.oid)
            || ARRAY(SELECT pg_catalog.format('function %s (%s, %s)=%s', p.amprocnum, pg_catalog.format_type(p.amproclefttype, NULL),
                                   pg_catalog.format_type(p.amprocrighttype, NULL), p.amproc::oid::regprocedure)
                     FROM pg_amproc p WHERE p.amprocfamily = f.oid)
     FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod WHERE f.oid >= 16384"
        .into()
}

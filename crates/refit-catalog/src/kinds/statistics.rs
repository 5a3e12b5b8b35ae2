//! Extended statistics objects.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "extended statistics",
    class: class::STATISTICS,
    on: On::Nothing,
    probe: Some("pg_statistic_ext WHERE oid >= 16384"),
    sql,
    properties: &["table", "columns", "expressions", "kinds", "target"],
    map: |catalog| &mut catalog.statistics,
};

fn sql(_version: u32) -> String {
    // The kinds are recorded unless they are all kinds.
    "SELECT s.oid, s.stxnamespace, s.stxname, '', s.stxowner, NULL::text[], s.stxrelid::regclass::text,
            (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
             WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys)),
            CASE WHEN s.stxexprs IS NOT NULL THEN pg_catalog.array_to_string(pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), ', ') END,
            (SELECT nullif(pg_catalog.string_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' WHEN 'm' THEN 'mcv'
                                             ELSE k::text END, ', ' ORDER BY k), 'ndistinct, dependencies, mcv')
             FROM pg_catalog.unnest(s.stxkind) k WHERE k <> 'e'),
            nullif(coalesce(s.stxstattarget, -1)::int, -1)::text, NULL::text[]
     FROM pg_statistic_ext s WHERE s.oid >= 16384"
        .into()
}

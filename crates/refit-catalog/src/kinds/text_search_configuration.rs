//! Text search configurations with their mappings.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "text search configurations",
    class: class::CONFIGURATION,
    on: On::Nothing,
    probe: Some("pg_ts_config WHERE oid >= 16384"),
    sql,
    properties: &["parser"],
    map: |catalog| &mut catalog.text_search_configurations,
};

fn sql(_version: u32) -> String {
    "SELECT c.oid, c.cfgnamespace, c.cfgname, '', c.cfgowner, NULL::text[],
            CASE n.nspname WHEN 'pg_catalog' THEN p.prsname::text ELSE pg_catalog.format('%I.%I', n.nspname, p.prsname) END,
            ARRAY(SELECT pg_catalog.format('mapping for %s=%s', t.alias, pg_catalog.string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno))
                  FROM pg_ts_config_map m JOIN pg_catalog.ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype
                  WHERE m.mapcfg = c.oid GROUP BY t.alias)
     FROM pg_ts_config c JOIN pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_namespace n ON n.oid = p.prsnamespace
     WHERE c.oid >= 16384"
        .into()
}

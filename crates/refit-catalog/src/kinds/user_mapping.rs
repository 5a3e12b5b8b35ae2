//! User mappings. Only the existence of a password is recorded: snapshots are committed.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "user mappings",
    class: class::USER_MAPPING,
    on: On::Nothing,
    probe: Some("pg_foreign_server WHERE oid >= 16384"),
    sql,
    properties: &[],
    map: |catalog| &mut catalog.user_mappings,
};

fn sql(_version: u32) -> String {
    // The options of other roles are hidden from an ordinary role; the view shows NULL.
    "SELECT umid, 0::oid, '', pg_catalog.format('%s on %I', CASE umuser WHEN 0 THEN 'public' ELSE pg_catalog.quote_ident(usename) END, srvname),
            0::oid, NULL::text[],
            ARRAY(SELECT 'option ' || CASE WHEN o ~* '^[^=]*(password|secret|token)[^=]*=' THEN pg_catalog.split_part(o, '=', 1) || '=(hidden)' ELSE o END
                  FROM pg_catalog.unnest(umoptions) o)
     FROM pg_user_mappings WHERE umid >= 16384"
        .into()
}

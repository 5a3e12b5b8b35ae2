//! Subscriptions of this database. The connection string is omitted: it contains passwords, and only superusers may see
//! it.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "subscriptions",
    class: class::SUBSCRIPTION,
    on: On::Nothing,
    probe: Some("pg_subscription WHERE oid >= 16384"),
    sql,
    properties: &[
        "publications",
        "slot",
        "enabled",
        "binary",
        "synchronous_commit",
        "streaming",
        "two_phase",
        "disable_on_error",
        "origin",
        "password_required",
        "run_as_owner",
        "failover",
    ],
    map: |catalog| &mut catalog.subscriptions,
};

fn sql(version: u32) -> String {
    let streaming = match version {
        ..16 => "CASE WHEN substream THEN 'on' END",
        16..18 => "CASE substream WHEN 't' THEN 'on' WHEN 'p' THEN 'parallel' END",
        // From this version on, the default differs.
        _ => "CASE substream WHEN 't' THEN 'on' WHEN 'f' THEN 'off' END",
    };
    let since = |first: u32, words: &str| if version >= first { words.to_owned() } else { "NULL".to_owned() };
    let two_phase = since(15, "CASE WHEN subtwophasestate <> 'd' THEN 'true' END");
    let disable_on_error = since(15, "CASE WHEN subdisableonerr THEN 'true' END");
    let origin = since(16, "nullif(suborigin, 'any')");
    let password = since(16, "CASE WHEN NOT subpasswordrequired THEN 'false' END");
    let run_as_owner = since(16, "CASE WHEN subrunasowner THEN 'true' END");
    let failover = since(17, "CASE WHEN subfailover THEN 'true' END");
    format!(
        "SELECT oid, 0::oid, subname, '', subowner, NULL::text[], pg_catalog.array_to_string(subpublications, ', '), subslotname,
                subenabled::text, CASE WHEN subbinary THEN 'true' END, nullif(subsynccommit, 'off'), {streaming}, {two_phase},
                {disable_on_error}, {origin}, {password}, {run_as_owner}, {failover}, NULL::text[]
         FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = pg_catalog.current_database())"
    )
}

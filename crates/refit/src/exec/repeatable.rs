//! The record of a repeatable migration.

use super::step::Step;
use crate::preflight::Preflight;

/// Two parts of a step's WITH that record it. Earlier texts are kept, so that an older release does not apply one of them again.
pub(crate) fn record_repeatable(step: &Step<'_>, facts: &Preflight) -> String {
    let relation = facts.relation.map_or("NULL".to_owned(), |oid| oid.to_string());
    record_repeatable_in(step, facts, &facts.state.history().to_string(), &relation)
}

/// The same with SQL expressions for the id of the history and for the OID of its table.
pub(crate) fn record_repeatable_in(
    step: &Step<'_>,
    facts: &Preflight,
    history: &str,
    relation: &str,
) -> String {
    let name = postgres_protocol::escape::escape_literal(step.name);
    let table = format!("{}.repeatable", facts.state.quoted());
    format!(
        "UPDATE {table} SET current = false WHERE history_id = {history} AND name = {name} AND current \
             AND checksum <> '{checksum}' RETURNING 1), \
         applied AS (INSERT INTO {table} (history_id, relation, name, checksum) VALUES ({history}, {relation}, {name}, '{checksum}') \
             ON CONFLICT (history_id, name, checksum) DO UPDATE SET current = true, relation = excluded.relation, applied_at = pg_catalog.now() RETURNING 1",
        checksum = step.checksum
    )
}

//! The names of a job: its table, its ranges' partitions and its search path follow the tables, which are known by their OIDs.
//!
//! A name is what SQL needs; the OID is what is meant. When a schema is renamed and another one gets its name, the job stays with
//! its table. A restored dump has other OIDs: there the names count.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::state::State;

/// The name, qualified and quoted, that the relation `relation_oid` has now; null where it was dropped.
macro_rules! name_now {
    () => {
        "(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
          JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
          WHERE c.oid OPERATOR(pg_catalog.=) relation_oid)"
    };
}

/// Whether a row of `refit.backfill` or `refit.backfill_range` names its table as it is called now.
pub(super) const IS_CURRENT: &str =
    concat!("(relation_oid IS NULL OR relation IS NOT DISTINCT FROM ", name_now!(), ")");

/// Whether names of a history's jobs are not current.
const IS_BEHIND: &str = concat!(
    "SELECT EXISTS (SELECT FROM refit.backfill WHERE history_id = $1 AND relation_oid IS NOT NULL \
                        AND relation IS DISTINCT FROM ",
    name_now!(),
    ") OR EXISTS (SELECT FROM (SELECT DISTINCT relation, relation_oid FROM refit.backfill_range \
                      WHERE backfill_id IN (SELECT id FROM refit.backfill WHERE history_id = $1 AND state <> 'complete')) AS ranges \
                  WHERE relation_oid IS NOT NULL AND relation IS DISTINCT FROM ",
    name_now!(),
    ")"
);

/// The search path with one schema, `{old}`, renamed to `{new}`; both are SQL expressions of quoted names. An element ends at its comma.
fn renamed(old: &str, new: &str) -> String {
    let path = format!(
        "pg_catalog.replace(pg_catalog.concat(', ', job.search_path, ', '), pg_catalog.concat(', ', {old}, ', '), \
             pg_catalog.concat(', ', {new}, ', '))"
    );
    format!("pg_catalog.substr({path}, 3, pg_catalog.length({path}) - 4)")
}

/// Brings the names of the jobs up to date, of every history in the schema; on a pinned session.
pub(crate) async fn follow(client: &Client, state: &State) -> Result<(), Error> {
    let failed = || Error::database("looking for the tables of backfills");
    if !state.has(client, "backfill").await? {
        return Ok(());
    }
    let path = renamed("pg_catalog.quote_ident(h.schema_name)", "pg_catalog.quote_ident(n.nspname::text)");
    let histories = format!(
        "UPDATE refit.backfill AS job SET search_path = {path} \
         FROM refit.history AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.relation \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE job.history_id = h.id AND h.retired_at IS NULL AND n.nspname::text <> h.schema_name \
           AND h.registry = 'refit.history'::pg_catalog.regclass::pg_catalog.oid AND job.search_path IS NOT NULL"
    );
    client.execute_typed(&state.sql(&histories), &[]).await.map_err(failed())?;
    client.execute_typed(&state.sql(&tables()), &[]).await.map_err(failed())?;
    Ok(())
}

/// A table that was dropped is looked for by its name: another one may have its place.
fn tables() -> String {
    let path =
        renamed("pg_catalog.quote_ident((pg_catalog.parse_ident(old))[1])", "pg_catalog.quote_ident(schema)");
    format!(
        "WITH known AS ( \
             SELECT id AS backfill_id, relation AS old, relation_oid AS old_oid, history_id FROM refit.backfill \
             UNION SELECT backfill_id, r.relation, r.relation_oid, history_id FROM refit.backfill_range AS r \
                 JOIN refit.backfill AS b ON b.id = backfill_id AND b.state <> 'complete'), \
         here AS ( \
             SELECT known.*, c.oid AS here, n.nspname::text AS schema, c.relname::text AS called FROM known \
             JOIN refit.history AS h ON h.id = history_id \
             LEFT JOIN pg_catalog.pg_class AS c ON c.oid = old_oid \
                 AND h.registry = 'refit.history'::pg_catalog.regclass::pg_catalog.oid \
             LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE old_oid IS NOT NULL), \
         found AS ( \
             SELECT backfill_id, old, old_oid, coalesce(here, pg_catalog.to_regclass(old)::pg_catalog.oid) AS oid, \
                 coalesce(schema, (pg_catalog.parse_ident(old))[1]) AS schema, \
                 CASE WHEN here IS NULL THEN old ELSE pg_catalog.format('%I.%I', schema, called) END AS new FROM here), \
         changed AS (SELECT * FROM found WHERE new <> old OR oid IS DISTINCT FROM old_oid), \
         errors AS ( \
             UPDATE refit.backfill_error AS e SET relation = new FROM changed \
             WHERE e.backfill_id = changed.backfill_id AND e.relation = old AND new <> old), \
         ranges AS ( \
             UPDATE refit.backfill_range AS r SET relation = new, relation_oid = oid FROM changed \
             WHERE r.backfill_id = changed.backfill_id AND r.relation = old AND r.relation_oid = old_oid) \
         UPDATE refit.backfill AS job SET relation = new, relation_oid = oid, search_path = {path}, \
             statement = CASE WHEN kind = 'undo' AND pg_catalog.starts_with(statement, pg_catalog.concat('UPDATE ', old, ' AS t ')) \
                 THEN pg_catalog.concat('UPDATE ', new, pg_catalog.substr(statement, pg_catalog.length(old) + 8)) ELSE statement END \
         FROM changed WHERE job.id = changed.backfill_id AND job.relation = old AND job.relation_oid = old_oid"
    )
}

/// The same where a name of the history's jobs is not current, or the caller cannot write.
pub(crate) async fn follow_if_behind(client: &Client, state: &State) -> Result<(), Error> {
    if state.is_empty() || !state.has(client, "backfill").await? {
        return Ok(());
    }
    let behind = client.query_typed_one(&state.sql(IS_BEHIND), &[(&state.history(), Type::INT8)]).await;
    match behind.map_err(Error::database("looking for the tables of backfills"))?.get(0) {
        true => follow(client, state).await,
        false => Ok(()),
    }
}

//! The names of a job: its table, its ranges' partitions and its search path follow the tables, which are known by their OIDs.
//!
//! SQL needs names; the OID identifies the table. If a schema is renamed and another one gets its name, the job keeps its table. A
//! restored dump has other OIDs, so there the names count, as they do for a table that was dropped and recreated.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::state::State;

/// The current name of the relation `relation_oid`, qualified and quoted; null if it was dropped.
macro_rules! name_now {
    () => {
        "(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
          JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
          WHERE c.oid OPERATOR(pg_catalog.=) relation_oid)"
    };
}

/// The OID of the relation with the name `relation`; null if there is none. Needs no USAGE on the schema.
macro_rules! oid_by_name {
    () => {
        "(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
          WHERE n.nspname::text = (pg_catalog.parse_ident(relation))[1] AND c.relname::text = (pg_catalog.parse_ident(relation))[2])"
    };
}

/// Whether a row of `refit.backfill` or `refit.backfill_range`, the only table in its FROM, has the current name of its table. A
/// dropped table keeps its name, unless another table has it.
pub(in crate::backfill) const IS_CURRENT: &str =
    concat!("coalesce(relation = ", name_now!(), ", ", oid_by_name!(), " IS NULL)");

/// Whether names of a history's jobs are outdated, or a dropped table was recreated.
const IS_BEHIND: &str = concat!(
    "SELECT EXISTS (SELECT FROM (SELECT relation, relation_oid FROM refit.backfill WHERE history_id = $1 \
         UNION SELECT relation, relation_oid FROM refit.backfill_range \
             WHERE backfill_id IN (SELECT id FROM refit.backfill WHERE history_id = $1 AND state <> 'complete')) AS named \
     WHERE relation IS NOT NULL AND coalesce(relation <> ",
    name_now!(),
    ", ",
    oid_by_name!(),
    " IS NOT NULL))"
);

/// The schema name of a history in `refit.history`, without the suffix that a run on another history may have added.
const OLD_SCHEMA: &str = "pg_catalog.regexp_replace(h.schema_name, ' \\(renamed, history [0-9]+\\)$', '')";

/// The search path with one schema renamed if `condition` holds; names are SQL expressions. Elements end with a comma.
fn renamed(condition: &str, old: &str, new: &str) -> String {
    let path = format!(
        "pg_catalog.replace(pg_catalog.concat(', ', job.search_path, ', '), pg_catalog.concat(', ', pg_catalog.quote_ident({old}), ', '), \
             pg_catalog.concat(', ', pg_catalog.quote_ident({new}), ', '))"
    );
    format!(
        "CASE WHEN {condition} THEN pg_catalog.substr({path}, 3, pg_catalog.length({path}) - 4) ELSE job.search_path END"
    )
}

/// Updates the names of a history's jobs. Needs a pinned session.
pub(crate) async fn follow(client: &Client, state: &State) -> Result<(), Error> {
    if state.is_empty() || !state.has(client, "backfill").await? {
        return Ok(());
    }
    for sql in [schema(), tables()] {
        let followed = client.execute_typed(&state.sql(&sql), &[(&state.history(), Type::INT8)]).await;
        followed.map_err(Error::database("updating the table names of backfills"))?;
    }
    Ok(())
}

/// If the history's schema was renamed: renames it in search paths, and in the names of tables that cannot be found by OID.
fn schema() -> String {
    let path = renamed("true", OLD_SCHEMA, "n.nspname::text");
    format!(
        "UPDATE refit.backfill AS job SET search_path = {path}, relation = \
             CASE WHEN (pg_catalog.parse_ident(job.relation))[1] = {OLD_SCHEMA} \
                       AND NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = job.relation_oid) \
                 THEN pg_catalog.format('%I.%I', n.nspname, (pg_catalog.parse_ident(job.relation))[2]) ELSE job.relation END \
         FROM refit.history AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.relation \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE h.id = $1 AND job.history_id = h.id AND n.nspname::text <> {OLD_SCHEMA} \
           AND h.registry = 'refit.history'::pg_catalog.regclass::pg_catalog.oid"
    )
}

/// If tables were renamed. Moving a table to another schema does not change the search path.
fn tables() -> String {
    let path = renamed("known_schema = schema_oid_now", "(pg_catalog.parse_ident(old))[1]", "schema");
    let by_name = oid_by_name!();
    format!(
        "WITH known AS ( \
             SELECT id AS backfill_id, relation, relation_oid, schema_oid AS known_schema FROM refit.backfill WHERE history_id = $1 \
             UNION SELECT backfill_id, r.relation, r.relation_oid, NULL FROM refit.backfill_range AS r \
                 JOIN refit.backfill AS b ON b.id = backfill_id WHERE history_id = $1 AND b.state <> 'complete'), \
         here AS ( \
             SELECT known.*, c.oid AS here FROM known JOIN refit.history AS h ON h.id = $1 \
             LEFT JOIN pg_catalog.pg_class AS c ON c.oid = relation_oid \
                 AND h.registry = 'refit.history'::pg_catalog.regclass::pg_catalog.oid WHERE known.relation IS NOT NULL), \
         meant AS (SELECT here.*, coalesce(here, {by_name}) AS oid FROM here), \
         found AS ( \
             SELECT backfill_id, relation AS old, relation_oid AS old_oid, known_schema, meant.oid, n.oid AS schema_oid_now, \
                 n.nspname::text AS schema, pg_catalog.format('%I.%I', n.nspname, c.relname) AS new \
             FROM meant JOIN pg_catalog.pg_class AS c ON c.oid = meant.oid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace), \
         changed AS (SELECT * FROM found WHERE new <> old OR oid IS DISTINCT FROM old_oid), \
         errors AS ( \
             UPDATE refit.backfill_error AS e SET relation = new FROM changed \
             WHERE e.backfill_id = changed.backfill_id AND e.relation = old AND new <> old), \
         ranges AS ( \
             UPDATE refit.backfill_range AS r SET relation = new, relation_oid = oid FROM changed \
             WHERE r.backfill_id = changed.backfill_id AND r.relation = old AND r.relation_oid IS NOT DISTINCT FROM old_oid) \
         UPDATE refit.backfill AS job SET relation = new, relation_oid = oid, schema_oid = schema_oid_now, search_path = {path}, \
             targets = pg_catalog.array_replace(targets, old_oid, oid), \
             statement = CASE WHEN kind = 'undo' AND pg_catalog.starts_with(statement, pg_catalog.concat('UPDATE ', old, ' AS t ')) \
                 THEN pg_catalog.concat('UPDATE ', new, pg_catalog.substr(statement, pg_catalog.length(old) + 8)) \
                 WHEN kind = 'undo' AND pg_catalog.starts_with(statement, pg_catalog.concat('DELETE FROM ', old, ' AS t ')) \
                 THEN pg_catalog.concat('DELETE FROM ', new, pg_catalog.substr(statement, pg_catalog.length(old) + 13)) \
                 ELSE statement END \
         FROM changed WHERE job.id = changed.backfill_id AND job.relation = old AND job.relation_oid IS NOT DISTINCT FROM old_oid"
    )
}

/// The same, if any name is outdated; otherwise writes nothing.
pub(crate) async fn follow_if_behind(client: &Client, state: &State) -> Result<(), Error> {
    if state.is_empty() || !state.has(client, "backfill").await? {
        return Ok(());
    }
    let behind = client.query_typed_one(&state.sql(IS_BEHIND), &[(&state.history(), Type::INT8)]).await;
    match behind.map_err(Error::database("updating the table names of backfills"))?.get(0) {
        true => follow(client, state).await,
        false => Ok(()),
    }
}

//! Checks the plan of a batch before the first one runs: whether it reads whole tables.

use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::key::Text;
use crate::error::Error;
use crate::queries::Queries;

/// Maximum rows of another table that a batch may read in full.
const SMALL: f64 = 10_000.0;

/// Refuses a statement whose plan reads a whole table for each batch, with a message. `values` are its parameters.
///
/// # Errors
/// When the statement cannot be planned: the server's message.
pub(crate) async fn check(
    client: &Client,
    statement: &str,
    values: &[Text<'_>],
    rows_in_batch: u32,
) -> Result<Result<(), String>, Error> {
    let values: Vec<String> = values.iter().map(|value| value.literal()).collect();
    let failed = || Error::database("planning a batch");
    client
        .batch_execute_boxed(&format!("PREPARE refit_backfill_plan AS {statement}"))
        .await
        .map_err(failed())?;
    let sql = format!("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE refit_backfill_plan({})", values.join(", "));
    let plan = json(client, &sql).await.map_err(failed())?;
    let mut scans = Vec::new();
    whole_reads(&plan[0]["Plan"], false, &mut scans);
    if !scans.is_empty() {
        // The planner may prefer a sequential scan if the table is small or its statistics are stale: what matters is whether an
        // index could be used.
        let settings = "SELECT pg_catalog.set_config('enable_seqscan', $1, false)";
        let now = client.query_one_boxed("SELECT pg_catalog.current_setting('enable_seqscan')", &[]).await;
        let now: String = now.map_err(failed())?.get(0);
        client.query_boxed(settings, &[(&"off", Type::TEXT)]).await.map_err(failed())?;
        let plan = json(client, &sql).await.map_err(failed())?;
        client.query_boxed(settings, &[(&now, Type::TEXT)]).await.map_err(failed())?;
        let mut without = Vec::new();
        whole_reads(&plan[0]["Plan"], true, &mut without);
        scans.retain(|scan| without.contains(scan));
    }
    client.batch_execute_boxed("DEALLOCATE refit_backfill_plan").await.map_err(failed())?;
    for (schema, name) in scans {
        // Statistics may be missing or stale, so the rows are estimated from the current number of pages, as the planner does.
        let sql = "SELECT c.oid::regclass::text, pg_catalog.pg_relation_size(c.oid) / block * CASE \
                       WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages \
                       ELSE (block - 24) / (28 + (SELECT coalesce(pg_catalog.sum(CASE WHEN attlen > 0 THEN attlen ELSE 32 END), 0) \
                           FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped))::float8 END \
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, \
                       CAST(pg_catalog.current_setting('block_size') AS float8) AS block \
                   WHERE n.nspname = $1 AND c.relname = $2";
        let row =
            client.query_boxed(sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await.map_err(failed())?;
        let Some(row) = row.first() else { continue };
        let (relation, rows): (String, f64) = (row.get(0), row.get(1));
        if rows > SMALL.max(f64::from(rows_in_batch) * 2.0) {
            return Ok(Err(format!(
                "each batch would read all of {relation}, about {rows:.0} rows: build an index for the lookup, or set \
                 `allow_scan = true` in the directive"
            )));
        }
    }
    Ok(Ok(()))
}

/// The output of an EXPLAIN with FORMAT JSON.
pub(crate) async fn json(client: &Client, sql: &str) -> Result<Value, tokio_postgres::Error> {
    let messages = client.simple_query_boxed(sql).await?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(row.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
}

/// Tables that are read in full: by sequential scans, and with `along_indexes` also by index scans without an index condition.
fn whole_reads(node: &Value, along_indexes: bool, found: &mut Vec<(String, String)>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let is_whole = kind.ends_with("Seq Scan")
        || (along_indexes
            && matches!(kind, "Index Scan" | "Index Only Scan")
            && node["Index Cond"].is_null());
    if is_whole && let (Some(schema), Some(name)) = (node["Schema"].as_str(), node["Relation Name"].as_str())
    {
        found.push((schema.to_owned(), name.to_owned()));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        whole_reads(child, along_indexes, found);
    }
}

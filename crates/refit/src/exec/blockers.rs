//! Sessions that blocked a step whose lock request timed out.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::debug;

use crate::queries::Queries;

/// The sessions that hold locks on tables that the text names, in transactions older than the wait; the oldest first.
///
/// The query runs after the wait has ended, since a waiting session cannot run one. If it fails, the list is empty: a failure
/// here must not hide the error that the list explains. Leaves a transaction open, which the caller ends.
pub(crate) async fn of(client: &Client, sql: &str, waited: Duration) -> Vec<String> {
    let names = words(sql);
    let waited = waited.as_secs_f64();
    let query = "SELECT pg_catalog.format('pid %s (%s%s), %s, in a transaction for %s s, holds %s; last query: %s', \
                          activity.pid, coalesce(usename, backend_type), \
                          coalesce(', ' || nullif(application_name, ''), ''), coalesce(state, 'state not visible'), \
                          pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)), \
                          pg_catalog.string_agg(DISTINCT pg_catalog.replace(pg_catalog.regexp_replace(mode, 'Lock$', ''), 'Exclusive', ' exclusive') \
                                     || ' on ' || relation::regclass, ', '), \
                          pg_catalog.left(pg_catalog.regexp_replace(query, '\\s+', ' ', 'g'), 100)) \
                   FROM pg_catalog.pg_locks JOIN pg_catalog.pg_stat_activity AS activity USING (pid) \
                   JOIN pg_catalog.pg_class ON pg_class.oid = relation \
                   WHERE granted AND locktype = 'relation' AND activity.pid <> pg_catalog.pg_backend_pid() \
                     AND pg_locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
                     AND relname = ANY ($1) AND xact_start <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2) \
                   GROUP BY activity.pid, usename, backend_type, application_name, state, xact_start, query \
                   ORDER BY xact_start LIMIT 5";
    // The failed transaction is still open; outside of it the catalogs can be read again.
    let begin = format!("ROLLBACK;BEGIN;{}", crate::pin::pin_local_sql());
    if let Err(error) = client.batch_execute_boxed(&begin).await {
        debug!(error = %crate::error::describe(&error), "cannot read which sessions held the lock");
        return Vec::new();
    }
    let rows = client.query_boxed(query, &[(&names, Type::TEXT_ARRAY), (&waited, Type::FLOAT8)]).await;
    match rows {
        Ok(rows) => rows.iter().map(|row| crate::error::shown(row.get(0))).collect(),
        Err(error) => {
            debug!(error = %crate::error::describe(&error), "cannot read which sessions held the lock");
            Vec::new()
        }
    }
}

/// Every word that may be the name of a table, as written and folded.
fn words(sql: &str) -> Vec<String> {
    let mut words = BTreeSet::new();
    for word in sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()) {
        words.insert(word.to_owned());
        words.insert(refit_model::fold(word));
    }
    words.into_iter().collect()
}

//! Queries a server: all queries of a read are sent at once on one connection, in one read-only transaction with pinned
//! settings that end with it, and with a check that the schema did not change during the read.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use futures_util::future::join;
use tokio_postgres::{Client, GenericClient, Row};

use crate::Error;

/// The settings that deparsing depends on. `pg_temp` is last so that no temporary table hides a catalog.
const SETTINGS: &str = "\
SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = postgres; \
SET LOCAL TimeZone = 'UTC'; SET LOCAL bytea_output = hex; SET LOCAL extra_float_digits = 1; SET LOCAL lc_monetary = 'C'; \
SET LOCAL quote_all_identifiers = off; SET LOCAL standard_conforming_strings = on; SET LOCAL xmlbinary = base64; \
SET LOCAL client_min_messages = warning; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0";

/// The server's first answer.
#[derive(Debug)]
pub(crate) struct Hello {
    /// Major version.
    pub(crate) version: u32,
    /// The transactions that were visible when reading began.
    snapshot: String,
}

/// Opens the transaction for all queries.
pub(crate) async fn begin(client: &Client) -> Result<(Hello, Open<'_>), Error> {
    let open = Open(Some(client));
    // Deparsing waits for tables that another session has locked, and that session may wait for us. Time out before the
    // deadlock check (deadlock_timeout, 1 s), whose victim could be a migration.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '700ms'; {SETTINGS}"
    );
    let begin = async { client.batch_execute(&begin).await.map_err(failed("session settings")) };
    // Sent without waiting in between.
    let (begun, hello) = join(begin, hello(client)).await;
    begun?;
    Ok((hello?, open))
}

/// The same with two sessions. The second one's transaction is used only if both see the same transactions; if the
/// second fails, the first reads alone.
pub(crate) async fn begin_both<'a>(
    first: &'a Client,
    second: &'a Client,
) -> Result<(Hello, Open<'a>, Option<Open<'a>>), Error> {
    let (mine, theirs) = join(begin(first), begin(second)).await;
    let (hello, open) = mine?;
    let both = theirs.ok().filter(|(other, _)| other.snapshot == hello.snapshot);
    Ok((hello, open, both.map(|(_, both)| both)))
}

/// Pins the settings inside a transaction that the caller has open; [`leave`] restores them.
pub(crate) async fn enter<C: GenericClient + Sync>(client: &C) -> Result<Hello, Error> {
    let enter = format!("SAVEPOINT refit_catalog; {SETTINGS}");
    client.batch_execute(&enter).await.map_err(failed("session settings"))?;
    hello(client).await
}

/// Undoes [`enter`], even after a failure.
pub(crate) async fn leave<C: GenericClient + Sync>(client: &C) -> Result<(), Error> {
    let leave = "ROLLBACK TO SAVEPOINT refit_catalog; RELEASE SAVEPOINT refit_catalog";
    client.batch_execute(leave).await.map_err(failed("session settings"))
}

/// The server's first answer.
async fn hello<C: GenericClient + Sync>(client: &C) -> Result<Hello, Error> {
    let hello = "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'),
                        pg_catalog.pg_current_snapshot()::pg_catalog.text";
    let row = client.query_typed_one(hello, &[]).await.map_err(failed("the server's version"))?;
    let (number, name): (&str, &str) = (row.get(0), row.get(1));
    let version = number.parse::<u32>().unwrap_or(0) / 10_000;
    if version < 14 {
        return Err(Error::TooOld { version: name.to_owned() });
    }
    Ok(Hello { version, snapshot: row.get(2) })
}

/// Runs one query. It is sent when the answer is first awaited.
pub(crate) async fn ask<C: GenericClient + Sync>(
    client: &C,
    what: &'static str,
    sql: String,
) -> Result<Vec<Row>, Error> {
    client.query_typed(&sql, &[]).await.map_err(failed(what))
}

/// Ends the transaction. Returns true if the schema did not change since it began: names inside deparsed expressions
/// come from the server's current state, not from the transaction's snapshot, so a change in between would mix both.
pub(crate) async fn finish(hello: &Hello, mut open: Open<'_>) -> Result<bool, Error> {
    let Some(client) = open.0 else { return Ok(true) };
    let now = "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text";
    let (ended, row) = join(client.batch_execute("COMMIT"), client.query_typed_one(now, &[])).await;
    ended.map_err(failed("session settings"))?;
    open.0 = None;
    let row = row.map_err(failed("the server's snapshot"))?;
    if row.get::<_, &str>(0) == hello.snapshot {
        return Ok(true);
    }
    let begin = format!("BEGIN READ ONLY; {SETTINGS}");
    client.batch_execute(&begin).await.map_err(failed("session settings"))?;
    open.0 = Some(client);
    let changed = changed_since(&hello.snapshot);
    let row = client.query_typed_one(&changed, &[]).await.map_err(failed("concurrent changes"))?;
    client.batch_execute("COMMIT").await.map_err(failed("session settings"))?;
    open.0 = None;
    Ok(!row.get::<_, bool>(0))
}

/// Whether rows that deparsing reads were written by transactions that a snapshot does not see. Temporary tables do not
/// count, because busy databases create them all the time. A row's `xmin` has 32 of 64 bits; the difference from the
/// snapshot's `xmin` gives the others.
fn changed_since(snapshot: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM (
           SELECT xmin FROM pg_catalog.pg_class WHERE relpersistence <> 't' AND relkind <> 't'
           UNION ALL SELECT a.xmin FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
             WHERE c.relpersistence <> 't' AND c.relkind <> 't'
           UNION ALL SELECT xmin FROM pg_catalog.pg_rewrite
           UNION ALL SELECT xmin FROM pg_catalog.pg_proc
           UNION ALL SELECT xmin FROM pg_catalog.pg_type WHERE typtype <> 'c' AND typelem = 0
           UNION ALL SELECT xmin FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
           UNION ALL SELECT xmin FROM pg_catalog.pg_trigger
           UNION ALL SELECT xmin FROM pg_catalog.pg_constraint WHERE contypid <> 0
           UNION ALL SELECT xmin FROM pg_catalog.pg_operator
           UNION ALL SELECT xmin FROM pg_catalog.pg_collation
         ) w, (SELECT '{snapshot}'::pg_catalog.pg_snapshot AS seen,
                      pg_catalog.pg_snapshot_xmin('{snapshot}')::text::bigint AS first) s,
         LATERAL (SELECT (w.xmin::text::bigint - s.first % 4294967296 + 4294967296) % 4294967296 AS later) d
         WHERE d.later < 2147483648
           AND NOT pg_catalog.pg_visible_in_snapshot((s.first + d.later)::text::pg_catalog.xid8, s.seen))"
    )
}

/// A transaction that is rolled back if reading ends early, even if the future is dropped.
#[derive(Debug)]
pub(crate) struct Open<'a>(Option<&'a Client>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.0 {
            // The first poll sends the message; the answer is not needed.
            let mut context = Context::from_waker(Waker::noop());
            let _sent = pin!(client.batch_execute("ROLLBACK")).poll(&mut context);
        }
    }
}

fn failed(what: &'static str) -> impl Fn(tokio_postgres::Error) -> Error {
    move |source| Error::Server { what, source }
}

//! The lock that lets one run at a time change a database.
//!
//! A session-level advisory lock on the run's own connection: it dies with the process. Waiting is polling, with
//! jitter; a session blocked inside `pg_advisory_lock` would hold a snapshot that CREATE INDEX CONCURRENTLY waits for.

use std::time::{Duration, Instant};

use rand::RngExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use tracing::{info, warn};

use crate::error::Error;
use crate::event::{Event, Observer};

/// The key of the lock, the same in every release: "refit" in ASCII.
pub const LOCK_KEY: i64 = 0x72_65_66_69_74;

const POLL: Duration = Duration::from_millis(100);
const POLL_AT_MOST: Duration = Duration::from_secs(2);
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How one attempt to wait for the lock ended.
pub(crate) enum Waited {
    /// The lock is ours.
    Locked,
    /// Time for the caller to look whether there is still something to do.
    NotYet,
}

/// Waiting for the lock: one poll a call, so that the caller can look at the history in between.
pub(crate) struct LockWait<'a> {
    observer: &'a Observer,
    began: Instant,
    limit: Duration,
    pause: Duration,
    told: Option<Instant>,
}

impl<'a> LockWait<'a> {
    pub(crate) fn new(limit: Duration, observer: &'a Observer) -> LockWait<'a> {
        LockWait { observer, began: Instant::now(), limit, pause: POLL, told: None }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tries once. When another session has the lock, says who, and sleeps.
    pub(crate) async fn poll(&mut self, client: &Client) -> Result<Waited, Error> {
        // The name tells waiters, and whoever looks at pg_stat_activity, since when.
        let name = format!("refit since {:.0}", jiff::Timestamp::now());
        let sql = "SELECT locked, CASE WHEN locked THEN set_config('application_name', $2, false) END \
                   FROM (SELECT pg_try_advisory_lock($1) AS locked OFFSET 0) AS attempt";
        let row = client
            .query_typed_one(sql, &[(&LOCK_KEY, Type::INT8), (&name, Type::TEXT)])
            .await
            .map_err(Error::database("taking the migration lock"))?;
        if row.get(0) {
            return Ok(Waited::Locked);
        }
        let late = self.began.elapsed() >= self.limit;
        if late || self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let holder = holder(client).await?;
            if late {
                return Err(Error::LockTimeout { waited: self.began.elapsed(), holder });
            }
            info!(%holder, waited = ?self.began.elapsed(), "waiting for another run to finish");
            self.observer.tell(&Event::Waiting { holder: &holder, waited: self.began.elapsed() });
            self.told = Some(Instant::now());
        }
        let jittered = self.pause.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::time::sleep(jittered.min(self.limit)).await;
        self.pause = (self.pause * 2).min(POLL_AT_MOST);
        Ok(Waited::NotYet)
    }
}

/// What `columns` say of the session that holds the lock, by the name `activity`; none when nobody does.
pub(crate) async fn ask_holder(client: &Client, columns: &str) -> Result<Option<Row>, Error> {
    let sql = format!(
        "SELECT {columns} FROM pg_locks JOIN pg_stat_activity AS activity USING (pid) \
         WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
           AND (classid::int8 << 32 | objid::int8) = $1 \
           AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let rows = client.query_typed(&sql, &[(&LOCK_KEY, Type::INT8)]).await;
    Ok(rows.map_err(Error::database("asking who holds the migration lock"))?.into_iter().next())
}

/// Who holds the lock, doing what, since when, as text.
async fn holder(client: &Client) -> Result<String, Error> {
    let columns = "format('pid %s, %s, from %s, %s', activity.pid, coalesce(nullif(application_name, ''), 'no name'), \
                          coalesce(host(client_addr), 'local socket'), \
                          coalesce(state || coalesce(format(' for %s s', \
                              round(extract(epoch FROM clock_timestamp() - coalesce(xact_start, state_change)))), ''), \
                              'state not visible')), \
                   activity.pid";
    let Some(row) = ask_holder(client, columns).await? else {
        return Ok("a session that has just ended".to_owned());
    };
    let (mut holder, pid): (String, i32) = (row.get(0), row.get(1));
    // Where the state cannot be read, or is not there yet, the name of the session has to do.
    let sql = "SELECT to_char(max(started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
               FROM refit.run WHERE backend_pid = $1 AND outcome = 'running'";
    if let Ok(row) = client.query_typed_one(sql, &[(&pid, Type::INT4)]).await
        && let Some(since) = row.get::<_, Option<String>>(0)
    {
        holder.push_str(&format!("; its run began at {since}"));
    }
    Ok(crate::error::shown(&holder))
}

/// Takes the lock for a tool that changes the history beside the runs, by polling as they do.
///
/// `wait` limits the waiting; `tell` hears of it. Give the lock back with [`unlock`].
///
/// # Errors
/// When another session holds it for longer, or the database cannot be asked.
pub async fn lock(
    client: &Client,
    wait: Duration,
    tell: impl Fn(&Event<'_>) + Send + Sync + 'static,
) -> Result<(), Error> {
    let observer = Observer::new(tell);
    let mut wait = LockWait::new(wait, &observer);
    while let Waited::NotYet = wait.poll(client).await? {}
    Ok(())
}

/// Gives back what [`lock`] took. A failure is told and not returned: the connection's end releases it too.
pub async fn unlock(client: &Client) {
    release(client, "").await;
}

/// Expressions for the end of a transaction that holds the lock as its own: the session's lock is there afterwards,
/// whatever the text did to it. Giving back and taking again leaves it held exactly once.
pub(crate) fn retake() -> String {
    format!("pg_catalog.pg_advisory_unlock({LOCK_KEY}),pg_catalog.pg_try_advisory_lock({LOCK_KEY})")
}

/// Makes sure, outside of a transaction, that the lock is still ours. Text such as `DISCARD ALL` gives it away.
pub(crate) async fn is_held(client: &Client) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
                   AND pid = pg_catalog.pg_backend_pid() AND (classid::int8 << 32 | objid::int8) = $1)";
    let ask = async |sql: &str| {
        let row = client.query_typed_one(sql, &[(&LOCK_KEY, Type::INT8)]).await;
        row.map(|row| row.get::<_, bool>(0)).map_err(Error::database("looking after the migration lock"))
    };
    Ok(ask(sql).await? || ask("SELECT pg_catalog.pg_try_advisory_lock($1)").await?)
}

/// Gives the lock back. A failure is told and not returned: the connection's end releases it too.
pub(crate) async fn release(client: &Client, restore: &str) {
    let sql = format!(
        "SET SESSION AUTHORIZATION DEFAULT;SELECT pg_advisory_unlock({LOCK_KEY});RESET ALL;{restore}"
    );
    if let Err(error) = client.batch_execute(&sql).await {
        warn!(error = %crate::error::describe(&error), "could not release the migration lock; it ends with the connection");
    }
}

//! The lock that lets one run at a time change a database.
//!
//! A session-level advisory lock on the run's own connection: it dies with the process. Waiting is polling, with
//! jitter; a session blocked inside `pg_advisory_lock` would hold a snapshot that CREATE INDEX CONCURRENTLY waits for.

use std::time::{Duration, Instant};

use rand::RngExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use tracing::info;

use crate::error::Error;
use crate::event::Event;
use crate::hook::Hooks;
use crate::interrupt::Interrupt;
use crate::lock_keys::LockKeys;
use crate::options::Options;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::state::State;

const POLL: Duration = Duration::from_millis(100);
const POLL_AT_MOST: Duration = Duration::from_secs(2);
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The outcome of one poll.
pub(crate) enum Waited {
    /// The lock is taken.
    Locked,
    /// Another session has it: the caller checks whether there is still something to do.
    NotYet,
}

/// Waits for the lock, one poll per call, so that the caller can read the history in between.
pub(crate) struct LockWait<'a> {
    keys: LockKeys,
    state: &'a State,
    hooks: &'a Hooks,
    began: Instant,
    limit: Duration,
    pause: Duration,
    reported: Option<Instant>,
    interrupt: &'a Interrupt,
}

impl<'a> LockWait<'a> {
    pub(crate) fn new(keys: LockKeys, state: &'a State, options: &'a Options) -> LockWait<'a> {
        let Options { wait_for_lock, hooks, interrupt, .. } = options;
        LockWait {
            keys,
            state,
            hooks,
            began: Instant::now(),
            limit: *wait_for_lock,
            pause: POLL,
            reported: None,
            interrupt,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tries once. If another session has the lock, reports which one, and sleeps.
    pub(crate) async fn poll(&mut self, client: &Client) -> Result<Waited, Error> {
        // The name shows other sessions when this one took the lock.
        let name = crate::application_name::run(jiff::Timestamp::now());
        // Takes both keys or none, and returns the key that another session has. The last WHEN releases the first key.
        let sql = "SELECT key IS NULL, CASE WHEN key IS NULL THEN pg_catalog.set_config('application_name', $3, false) END, key \
                   FROM (SELECT CASE WHEN NOT pg_catalog.pg_try_advisory_lock($1) THEN $1 \
                             WHEN coalesce(pg_catalog.pg_try_advisory_lock($2), true) THEN NULL \
                             WHEN pg_catalog.pg_advisory_unlock($1) THEN $2 ELSE $2 END AS key OFFSET 0) AS attempt";
        let LockKeys { by_name, by_table } = &self.keys;
        let row = client
            .query_one_boxed(sql, &[(by_name, Type::INT8), (by_table, Type::INT8), (&name, Type::TEXT)])
            .await
            .map_err(Error::database("taking the migration lock"))?;
        if row.get(0) {
            return Ok(Waited::Locked);
        }
        let key: i64 = row.get(2);
        let late = self.began.elapsed() >= self.limit;
        if late || self.reported.is_none_or(|reported| reported.elapsed() >= REPORT_EVERY) {
            let holder = holder(client, key, self.state).await?;
            if late {
                return Err(Error::LockTimeout { waited: self.began.elapsed(), holder });
            }
            info!(%holder, waited = ?self.began.elapsed(), "waiting for another run to finish");
            self.hooks.event(&Event::Waiting { holder: &holder, waited: self.began.elapsed() });
            self.reported = Some(Instant::now());
        }
        let jittered = self.pause.mul_f64(rand::rng().random_range(0.5..1.5));
        if self.interrupt.cuts_short(jittered.min(self.limit)).await {
            return Err(interrupted());
        }
        self.pause = (self.pause * 2).min(POLL_AT_MOST);
        Ok(Waited::NotYet)
    }
}

/// The error of a run that was interrupted while it waited for another one.
pub(crate) fn interrupted() -> Error {
    let remains = "it was waiting for another run and has changed nothing".to_owned();
    Error::Interrupted { at: None, remains }
}

/// The values of `columns`, which refer to the session that holds the lock as `activity`; none if no session holds it.
pub(crate) async fn ask_holder(client: &Client, key: i64, columns: &str) -> Result<Option<Row>, Error> {
    let sql = format!(
        "SELECT {columns} FROM pg_locks JOIN pg_stat_activity AS activity USING (pid) \
         WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
           AND (classid::int8 << 32 | objid::int8) = $1 \
           AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = pg_catalog.current_database())"
    );
    let rows = client.query_boxed(&sql, &[(&key, Type::INT8)]).await;
    Ok(rows.map_err(Error::database("reading which session holds the migration lock"))?.into_iter().next())
}

/// Describes the session that holds the lock: who, what it does, and since when.
async fn holder(client: &Client, key: i64, state: &State) -> Result<String, Error> {
    let columns = "pg_catalog.format('pid %s, %s, from %s, %s', activity.pid, coalesce(nullif(application_name, ''), 'no name'), \
                          coalesce(pg_catalog.host(client_addr), 'local socket'), \
                          coalesce(state || coalesce(pg_catalog.format(' for %s s', \
                              pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(xact_start, state_change)))), ''), \
                              'state not visible')), \
                   activity.pid";
    let Some(row) = ask_holder(client, key, columns).await? else {
        return Ok("a session that has just ended".to_owned());
    };
    let (mut holder, pid): (String, i32) = (row.get(0), row.get(1));
    // Without a readable state, the session's name is all there is.
    let sql = "SELECT pg_catalog.to_char(pg_catalog.max(started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
               FROM refit.run WHERE backend_pid = $1 AND outcome = 'running'";
    if let Ok(row) = client.query_one_boxed(&state.sql(sql), &[(&pid, Type::INT4)]).await
        && let Some(since) = row.get::<_, Option<String>>(0)
    {
        holder.push_str(&format!("; its run began at {since}"));
    }
    Ok(crate::error::shown(&holder))
}

/// The migration lock of a history, held by [`Migrator::lock`](crate::Migrator::lock). Release it with [`HistoryLock::release`];
/// dropping it leaves the lock to the end of the connection.
#[derive(Debug)]
pub struct HistoryLock {
    pub(crate) facts: Preflight,
}

impl HistoryLock {
    /// The history's table, qualified and quoted.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// let lock = migrator.lock(client).await?;
    /// let rows = client.query(&format!("SELECT version FROM {}", lock.history_table()), &[]).await;
    /// lock.release(client).await;
    /// # Ok(()) }
    /// ```
    pub fn history_table(&self) -> &str {
        &self.facts.history_table
    }

    pub(crate) fn facts_mut(&mut self) -> &mut Preflight {
        &mut self.facts
    }

    /// Releases the lock and restores the session's settings. A failure is logged, not returned: the end of the connection
    /// releases the lock, too. `client` is the connection that took the lock.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// let lock = migrator.lock(client).await?;
    /// lock.release(client).await;
    /// # Ok(()) }
    /// ```
    pub async fn release(self, client: &Client) {
        release(client, &self.facts).await;
    }
}

/// Expressions for the end of a transaction that holds the lock itself: afterwards the session holds the lock, whatever the text
/// did to it, and none of the text's own. Releasing and taking it again leaves it held exactly once.
pub(crate) fn retake(facts: &Preflight) -> String {
    let unlock = match facts.unlock_all {
        true => "pg_catalog.pg_advisory_unlock_all()".to_owned(),
        false => facts.lock.call("pg_advisory_unlock"),
    };
    format!("{unlock},{}", facts.lock.call("pg_try_advisory_lock"))
}

/// Whether the session still holds the lock, outside a transaction; takes it again if text such as `DISCARD ALL` released it.
pub(crate) async fn is_held(client: &Client, keys: LockKeys) -> Result<bool, Error> {
    // The text may have set another search path, so every operator is qualified.
    let sql = "SELECT key FROM pg_catalog.unnest($1) AS keys (key) WHERE NOT EXISTS ( \
                   SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory'::pg_catalog.text \
                   AND granted AND objsubid OPERATOR(pg_catalog.=) 1::pg_catalog.int2 \
                   AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
                   AND ((classid::pg_catalog.int8 OPERATOR(pg_catalog.<<) 32::pg_catalog.int4) \
                        OPERATOR(pg_catalog.|) objid::pg_catalog.int8) OPERATOR(pg_catalog.=) key)";
    let failed = || Error::database("checking the migration lock");
    let keys: Vec<i64> = keys.each().collect();
    let missing = client.query_boxed(sql, &[(&keys, Type::INT8_ARRAY)]).await.map_err(failed())?;
    for key in missing.iter().map(|row| row.get::<_, i64>(0)) {
        let sql = "SELECT pg_catalog.pg_try_advisory_lock($1)";
        if !client.query_one_boxed(sql, &[(&key, Type::INT8)]).await.map_err(failed())?.get::<_, bool>(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Releases the lock and restores the caller's session. A failure is logged and not returned: the end of the connection releases
/// the lock too.
pub(crate) async fn release(client: &Client, facts: &Preflight) {
    facts.end_after(client, &format!("SELECT {};", facts.lock.call("pg_advisory_unlock"))).await;
}

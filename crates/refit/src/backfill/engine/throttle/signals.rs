//! The signals: measurements of the server while a backfill runs.

use std::collections::VecDeque;
use std::time::Instant;

use refit_model::{Environment, Window};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use super::controller::Signal;
use super::departed::Followers;
use crate::application_name;
use crate::backfill::engine::facts::to_float;
use crate::backfill::engine::job::Job;
use crate::backfill::engine::path;
use crate::calendar;
use crate::error::Error;
use crate::queries::Queries;

/// Replay lag of a standby at which work stops.
const LAG_SECONDS: f64 = 5.0;
const LAG_BYTES: f64 = 256.0 * MEGABYTE;
/// WAL that a slot retains.
const SLOT_BYTES: f64 = 8192.0 * MEGABYTE;
/// WAL files that wait for the archiver.
const ARCHIVE_FILES: f64 = 64.0;
/// WAL written per second.
const WAL_BYTES_A_SECOND: f64 = 400.0 * MEGABYTE;
/// How long a session waits for locks of a backfill.
const BLOCKED_SECONDS: f64 = 1.0;
/// Sessions that wait for any lock.
const WAITING: f64 = 20.0;
/// The duration of one of Refit's own commits.
const COMMIT_SECONDS: f64 = 1.0;
const MEGABYTE: f64 = 1_048_576.0;
/// The maximum load of signals that slow the work down and never stop it.
const SOFT: f64 = 0.75;

/// Samples that are kept.
const REMEMBERED: usize = 600;

/// Samples one server.
pub(crate) struct Sampler<'a> {
    /// WAL positions, with the time of each sample.
    written: VecDeque<(f64, Instant)>,
    followers: Followers,
    url: &'a str,
    calendar: Option<&'a Environment>,
}

const SERVER: &str = "SELECT \
    (SELECT pg_catalog.min(pg_catalog.pg_wal_lsn_diff(replay_lsn, '0/0'))::float8 FROM pg_stat_replication WHERE state IN ('streaming', 'catchup')), \
    (SELECT pg_catalog.max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn))::float8 FROM pg_stat_replication WHERE state IN ('streaming', 'catchup')), \
    (SELECT pg_catalog.string_agg(coalesce(nullif(application_name, ''), client_addr::text, 'a standby'), ', ') FROM pg_stat_replication), \
    (SELECT pg_catalog.max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn))::float8 FROM pg_replication_slots WHERE restart_lsn IS NOT NULL), \
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::float8, \
    CASE WHEN pg_catalog.current_setting('archive_mode') <> 'off' THEN ( \
        SELECT CASE WHEN last_archived_wal ~ '^[0-9A-F]{24}$' THEN \
            (pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), \
                (pg_catalog.substr(last_archived_wal, 9, 8) || '/' || pg_catalog.lpad(pg_catalog.to_hex(('x' || pg_catalog.substr(last_archived_wal, 17, 8))::bit(32)::int8 \
                    * pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))), 8, '0'))::pg_lsn) \
             / pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')))::float8 \
        END FROM pg_stat_archiver) END, \
    (SELECT pg_catalog.count(*)::float8 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = pg_catalog.current_database())";

/// Sessions that wait for locks of workers, and for how long.
fn blocked() -> String {
    let workers = application_name::workers();
    format!(
        "SELECT coalesce(pg_catalog.max(extract(epoch FROM pg_catalog.clock_timestamp() - query_start)), 0)::float8, pg_catalog.count(*) \
    FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = pg_catalog.current_database() \
      AND application_name NOT LIKE {workers} AND EXISTS ( \
        SELECT FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(pid)) AS blocker JOIN pg_stat_activity AS other ON other.pid = blocker \
        WHERE other.application_name LIKE {workers})"
    )
}

const FREEZE: &str = "SELECT pg_catalog.count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' \
    AND query LIKE '%to prevent wraparound%' AND datname = pg_catalog.current_database()";

impl<'a> Sampler<'a> {
    /// A sampler of the server at `url`, which remembers its standbys. Outside the windows of `calendar`, the load is full.
    pub(crate) fn new(followers: Followers, url: &'a str, calendar: Option<&'a Environment>) -> Sampler<'a> {
        Sampler { written: VecDeque::new(), followers, url, calendar }
    }

    /// Takes a sample. If the directive's own query fails, it counts as full load.
    ///
    /// # Errors
    /// When a query fails.
    pub(crate) async fn sample(
        &mut self,
        client: &Client,
        job: &Job,
        commit: f64,
    ) -> Result<Vec<Signal>, Error> {
        let failed = || Error::database("sampling the server");
        let (mut signals, directive) = (Vec::new(), &job.directive);
        if let Some(window) = directive.window() {
            signals.extend(outside(client, &window).await?);
        }
        if let Some(calendar) = self.calendar {
            let (gates, _) = calendar::closed(client, calendar).await?;
            signals.extend(gates.iter().map(|gate| signal(CLOSED, gate.reason())));
        }
        let row = client.query_one_boxed(SERVER, &[]).await.map_err(failed())?;
        self.server(&row, &mut signals);
        signals.extend(self.followers.look(client, self.url).await?);
        let row = client.query_one_boxed(&blocked(), &[]).await.map_err(failed())?;
        let (waits, count): (f64, i64) = (row.get(0), row.get(1));
        if count > 0 {
            signals.push(signal(
                waits / BLOCKED_SECONDS,
                format!("{count} sessions wait for its locks, {waits:.1} s"),
            ));
        }
        let freezing: i64 = client.query_one_boxed(FREEZE, &[]).await.map_err(failed())?.get(0);
        if freezing > 0 {
            signals.push(signal(SOFT, "autovacuum freezes a table against wraparound".to_owned()));
        }
        if commit > 0.0 {
            signals
                .push(signal(commit / COMMIT_SECONDS, format!("a commit takes {:.0} ms", commit * 1_000.0)));
        }
        if let Some(query) = &directive.throttle {
            signals.push(own(client, job, query).await);
        }
        Ok(signals)
    }

    fn server(&mut self, row: &Row, signals: &mut Vec<Signal>) {
        let value = |at: usize| row.get::<_, Option<f64>>(at);
        let standbys: Option<String> = row.get(2);
        let standbys = standbys.unwrap_or_else(|| "a standby".to_owned());
        let now = (value(4).unwrap_or(0.0), Instant::now());
        // The server's own figure does not grow while a standby is stuck, so the lag is the age of the oldest WAL that it has not
        // replayed.
        let behind =
            value(0).and_then(|replayed| self.written.iter().find(|(written, _)| *written > replayed));
        if let Some(lag) = behind.map(|(_, at)| at.elapsed().as_secs_f64()) {
            signals.push(signal(lag / LAG_SECONDS, format!("{standbys} is {lag:.1} s behind")));
        }
        if let Some(bytes) = value(1) {
            signals
                .push(signal(bytes / LAG_BYTES, format!("{standbys} is {:.0} MB behind", bytes / MEGABYTE)));
        }
        if let Some(bytes) = value(3) {
            signals.push(signal(
                bytes / SLOT_BYTES,
                format!("a slot retains {:.0} MB of WAL", bytes / MEGABYTE),
            ));
        }
        if let Some(files) = value(5).filter(|files| *files > 1.0) {
            signals
                .push(signal(files / ARCHIVE_FILES, format!("{files:.0} WAL files wait for the archiver")));
        }
        if let Some(waiting) = value(6) {
            signals.push(signal(waiting / WAITING, format!("{waiting:.0} sessions wait for locks")));
        }
        if let Some((before, at)) = self.written.back() {
            let rate = (now.0 - before) / at.elapsed().as_secs_f64().max(0.1);
            let says = format!("{:.0} MB of WAL per second", rate / MEGABYTE);
            // Fast disks can sustain this rate: it slows the work down, and does not stop it.
            signals.push(signal((rate / WAL_BYTES_A_SECOND).min(SOFT), says));
        }
        self.written.push_back(now);
        if self.written.len() > REMEMBERED {
            self.written.pop_front();
        }
    }
}

fn signal(load: f64, says: String) -> Signal {
    Signal { says, load: load.max(0.0) }
}

/// Full load outside the window, by the server's clock.
async fn outside(client: &Client, window: &Window) -> Result<Option<Signal>, Error> {
    let sql = "SELECT CASE WHEN $1::text::time < $2::text::time THEN now_there >= $1::text::time AND now_there < $2::text::time \
                           ELSE now_there >= $1::text::time OR now_there < $2::text::time END \
               FROM (SELECT (pg_catalog.clock_timestamp() AT TIME ZONE $3)::time AS now_there) AS clock";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&window.from, Type::TEXT), (&window.to, Type::TEXT), (&window.zone, Type::TEXT)];
    let row = client.query_one_boxed(sql, &parameters).await;
    let inside: bool = row.map_err(Error::database("checking the window of a backfill"))?.get(0);
    let says = format!("outside its window, {}-{} {}", window.from, window.to, window.zone);
    Ok((!inside).then(|| signal(CLOSED, says)))
}

/// Checks that the directive's window and its own query are valid.
///
/// # Errors
/// When the time zone or an object of the query does not exist.
pub(crate) async fn try_own(client: &Client, job: &Job) -> Result<(), Error> {
    let directive = &job.directive;
    if let Some(window) = directive.window() {
        outside(client, &window).await?;
    }
    if let Some(query) = &directive.throttle {
        let sql = format!("{}EXPLAIN {};{}", path::enter(job), one_number(query), path::LEAVE);
        let asked = client.simple_query_boxed(&sql).await;
        asked.map_err(Error::database("checking `throttle`"))?;
    }
    Ok(())
}

fn one_number(query: &str) -> String {
    format!("SELECT (value)::pg_catalog.text FROM ({}) AS signal (value)", query.trim().trim_end_matches(';'))
}

/// The directive's own query. A failed query counts as full load.
async fn own(client: &Client, job: &Job, query: &str) -> Signal {
    // One message is one transaction: the path of the job ends with it.
    let sql = format!("{}{}", path::enter(job), one_number(query));
    match client.simple_query_boxed(&sql).await {
        Ok(messages) => {
            let row = messages.iter().rev().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let text = row.and_then(|row| row.get(0)).map(str::to_owned);
            match text.as_deref().map(str::parse::<f64>) {
                Some(Ok(load)) if load.is_finite() => {
                    signal(load, format!("its own query returned {load:.2}"))
                }
                _ => match text.as_deref() {
                    Some("t" | "true") => signal(STOPPED, "its own query returned true".to_owned()),
                    Some("f" | "false") => signal(0.0, "its own query returned false".to_owned()),
                    _ => signal(STOPPED, "its own query returned no number".to_owned()),
                },
            }
        }
        Err(error) => signal(STOPPED, format!("its own query failed: {}", crate::error::describe(&error))),
    }
}

/// The load that stops the work.
const STOPPED: f64 = 1.0;
/// The load outside a window.
const CLOSED: f64 = 2.0;

/// The signal of a server that cannot be sampled: the work stops until it can.
pub(crate) fn stale(seconds: u64) -> Signal {
    signal(to_float(seconds).max(STOPPED), format!("the server could not be sampled for {seconds} s"))
}

//! Leasing ranges. PostgreSQL is the coordinator, and its clock the only one.

use std::time::Duration;

use futures_util::future::join4;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::cut::{Piece, values};
use super::job::Job;
use super::key::{Key, Text};
use super::names::IS_CURRENT;
use crate::error::Error;
use crate::queries::Queries;

/// A range that a worker may change as long as no newer token exists.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) range: i64,
    pub(crate) token: i64,
    pub(crate) pass: i32,
    pub(crate) relation: String,
    lower: Key,
    lower_closed: bool,
    pub(crate) windows: Vec<Key>,
    pub(crate) stripes: i32,
    pub(crate) position: i32,
    pub(crate) cursor: Option<Key>,
    pub(crate) rows_estimated: i64,
}

/// The position of the next batch: everything but its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) lower: Key,
    pub(crate) closed: bool,
    /// The end of the window.
    pub(crate) last: Key,
    pub(crate) stripe: i32,
}

const COLUMNS: &str = "r.id, r.token, r.pass, r.relation, r.lower, r.lower_closed, r.windows, r.stripes, r.position, \
                       r.cursor, r.rows_estimated";

/// A lease is valid while its end is in the future and its session exists.
pub(super) const LIVE: &str = "(r.leased_until > pg_catalog.clock_timestamp() AND EXISTS (SELECT FROM pg_stat_activity WHERE pid = r.worker_pid))";

impl Lease {
    fn read(row: &Row) -> Result<Lease, Error> {
        let windows: String = row.get(6);
        let windows = serde_json::from_str(&windows)
            .map_err(|error| Error::Internal(format!("the windows of a range cannot be read: {error}")))?;
        Ok(Lease {
            range: row.get(0),
            token: row.get(1),
            pass: row.get(2),
            relation: row.get(3),
            lower: row.get(4),
            lower_closed: row.get(5),
            windows,
            stripes: row.get(7),
            position: row.get(8),
            cursor: row.get(9),
            rows_estimated: row.get(10),
        })
    }

    /// A range that is not recorded anywhere.
    pub(crate) fn of(piece: &Piece) -> Lease {
        Lease {
            range: 0,
            token: 0,
            pass: 0,
            relation: piece.relation.clone(),
            lower: piece.lower.clone(),
            lower_closed: piece.closed,
            windows: piece.windows.clone(),
            stripes: i32::try_from(piece.stripes).unwrap_or(1),
            position: 0,
            cursor: None,
            rows_estimated: i64::try_from(piece.rows).unwrap_or(i64::MAX),
        }
    }

    /// The unfinished ranges of a job, without leasing them.
    pub(crate) async fn left(client: &Client, job: &Job) -> Result<Vec<Lease>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM refit.backfill_range r WHERE backfill_id = $1 AND NOT done ORDER BY pass, id"
        );
        let rows = client.query_boxed(&job.sql(&sql), &[(&job.id, Type::INT8)]).await;
        rows.map_err(Error::database("reading the ranges"))?.iter().map(Lease::read).collect()
    }

    /// Leases a free range of a job, including one whose lease has expired; none if no range is free.
    ///
    /// `workers` is the maximum number of workers of the job, in all processes.
    pub(crate) async fn claim(
        client: &Client,
        job: &Job,
        workers: u32,
        length: Duration,
    ) -> Result<Option<Lease>, Error> {
        // Claims of a job are serialized, so that its workers can be counted.
        let begin =
            format!("BEGIN READ WRITE; SET LOCAL lock_timeout = '5s';{}", crate::pin::pin_local_sql());
        let lock = "SELECT FROM refit.backfill WHERE id = $1 AND state = 'running' AND requested = 'run' FOR NO KEY UPDATE";
        let sql = format!(
            "UPDATE refit.backfill_range r SET token = token + 1, worker_pid = pg_catalog.pg_backend_pid(), \
                 worker_host = coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), 'local socket'), \
                 leased_until = pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $3) \
             FROM (SELECT r.id FROM refit.backfill_range r JOIN refit.backfill b ON b.id = r.backfill_id \
                   WHERE r.backfill_id = $1 AND NOT r.done AND NOT coalesce({LIVE}, false) \
                     AND b.state = 'running' AND b.requested = 'run' \
                     AND (SELECT {IS_CURRENT} FROM (SELECT r.relation, r.relation_oid) AS named) AND (SELECT pg_catalog.count(*) FROM refit.backfill_range r WHERE backfill_id = $1 AND NOT done AND {LIVE}) < $2 \
                   ORDER BY r.pass, r.id LIMIT 1 FOR UPDATE OF r SKIP LOCKED) AS free \
             WHERE r.id = free.id RETURNING {COLUMNS}"
        );
        let workers = i64::from(workers);
        let seconds = length.as_secs_f64();
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&job.id, Type::INT8), (&workers, Type::INT8), (&seconds, Type::FLOAT8)];
        let job_parameter: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&job.id, Type::INT8)];
        let (lock, sql) = (job.sql(lock), job.sql(&sql));
        let began = client.batch_execute_boxed(&begin);
        let locked = client.query_boxed(&lock, &job_parameter);
        let claimed = client.query_boxed(&sql, &parameters);
        let ended = client.batch_execute_boxed("COMMIT");
        let (began, locked, claimed, ended) = join4(began, locked, claimed, ended).await;
        let outcome = began.and(locked.map(drop)).and(claimed);
        let rows = match (outcome, ended) {
            (Ok(rows), Ok(())) => rows,
            (Err(error), _) | (_, Err(error)) => {
                client.batch_execute_boxed("ROLLBACK").await.ok();
                return Err(Error::database("leasing a range")(error));
            }
        };
        rows.first().map(Lease::read).transpose()
    }

    /// The range's current state; none if another worker has taken it over.
    pub(crate) async fn again(&self, client: &Client, job: &Job) -> Result<Option<Lease>, Error> {
        let sql = format!(
            "UPDATE refit.backfill_range r SET worker_pid = pg_catalog.pg_backend_pid() \
             WHERE r.id = $1 AND r.token = $2 AND NOT r.done RETURNING {COLUMNS}"
        );
        let rows = writing(client, async {
            let rows = client
                .query_boxed(&job.sql(&sql), &[(&self.range, Type::INT8), (&self.token, Type::INT8)])
                .await;
            rows.map_err(Error::database("reading a range"))
        });
        rows.await?.first().map(Lease::read).transpose()
    }

    /// Whether its table still has the name recorded here.
    pub(crate) async fn is_current(&self, client: &Client, job: &Job) -> Result<bool, Error> {
        let sql = format!("SELECT relation = $2 AND {IS_CURRENT} FROM refit.backfill_range WHERE id = $1");
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&self.range, Type::INT8), (&self.relation, Type::TEXT)];
        let rows = client.query_boxed(&job.sql(&sql), &parameters).await;
        Ok(rows.map_err(Error::database("reading a range"))?.first().is_none_or(|row| row.get(0)))
    }

    /// Releases the range.
    pub(crate) async fn release(&self, client: &Client, job: &Job) {
        let sql = "UPDATE refit.backfill_range SET leased_until = NULL WHERE id = $1 AND token = $2";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&self.range, Type::INT8), (&self.token, Type::INT8)];
        // If that fails, the session has ended, and the lease with it.
        let released = writing(client, async {
            client
                .execute_boxed(&job.sql(sql), &parameters)
                .await
                .map_err(Error::database("releasing a range"))
        });
        released.await.ok();
    }

    fn count(&self) -> i32 {
        i32::try_from(self.windows.len()).unwrap_or(i32::MAX)
    }

    /// Whether the range is striped.
    pub(crate) fn is_striped(&self) -> bool {
        self.stripes > 1
    }

    /// Makes a striped range a plain one, unless it has begun; returns whether it did.
    pub(crate) fn unstripe(&mut self) -> bool {
        let untouched = self.position == 0 && self.cursor.is_none();
        if untouched {
            self.stripes = 1;
            self.windows = self.windows.pop().into_iter().collect();
        }
        untouched
    }

    /// Rows of one stripe of one window, as estimated.
    pub(crate) fn rows_in_stripe(&self) -> u32 {
        let batches = i64::from(self.count()) * i64::from(self.stripes);
        u32::try_from(self.rows_estimated / batches.max(1)).unwrap_or(u32::MAX).max(1)
    }

    /// The position of the next batch; none when the range is done.
    pub(crate) fn place(&self) -> Option<Place> {
        if self.position >= self.count().checked_mul(self.stripes)? {
            return None;
        }
        let window = usize::try_from(self.position % self.count()).ok()?;
        let (lower, closed) = match (&self.cursor, window) {
            (Some(cursor), _) => (cursor, false),
            (None, 0) => (&self.lower, self.lower_closed),
            (None, _) => (&self.windows[window - 1], false),
        };
        let last = self.windows[window].clone();
        Some(Place { lower: lower.clone(), closed, last, stripe: self.position / self.count() })
    }

    /// Continues after a batch that ended with `end`; returns whether the range is done.
    pub(crate) fn advance(&mut self, place: &Place, end: Key) -> bool {
        if end == place.last {
            self.position += 1;
            self.cursor = None;
        } else {
            self.cursor = Some(end);
        }
        self.place().is_none()
    }

    /// The parameters for a statement of the batch that ends with `end`, `count` of them.
    pub(crate) fn parameters<'a>(&self, place: &'a Place, end: &'a Key, count: usize) -> Vec<Text<'a>> {
        let stripe = [self.stripes, place.stripe].map(|number| Text::new(number.to_string()));
        values(&[&place.lower, end]).into_iter().chain(stripe).take(count).collect()
    }
}

/// Runs `work` in a separate transaction that may write.
///
/// A worker's session is read-only otherwise, so statements change nothing if their transaction failed to begin.
pub(crate) async fn writing<T>(
    client: &Client,
    act: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let failed = || Error::database("recording the progress of a backfill");
    let begin = format!("BEGIN READ WRITE;{}", crate::pin::pin_local_sql());
    client.batch_execute_boxed(&begin).await.map_err(failed())?;
    let outcome = act.await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute_boxed(end).await.map_err(failed())?;
    outcome
}

/// Runs Refit's own queries on a worker's session, which has the search path of the job.
pub(crate) async fn reading<T>(
    client: &Client,
    act: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let failed = || Error::database("reading a backfill");
    let begin = format!("BEGIN READ ONLY;{}", crate::pin::pin_local_sql());
    client.batch_execute_boxed(&begin).await.map_err(failed())?;
    let outcome = act.await;
    client.batch_execute_boxed("ROLLBACK").await.map_err(failed())?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: i32) -> Key {
        vec![number.to_string()]
    }

    fn lease(closed: bool, windows: &[Key], stripes: u32) -> Lease {
        let (relation, windows) = ("t".to_owned(), windows.to_vec());
        Lease::of(&Piece { relation, lower: key(0), closed, windows, stripes, rows: 20 })
    }

    #[test]
    fn stripes_go_round_the_windows() {
        let mut lease = lease(true, &[key(10), key(20)], 2);
        let mut walked = Vec::new();
        while let Some(place) = lease.place() {
            walked.push((place.lower[0].clone(), place.closed, place.last[0].clone(), place.stripe));
            lease.advance(&place, place.last.clone());
        }
        let expected =
            [("0", true, "10", 0), ("10", false, "20", 0), ("0", true, "10", 1), ("10", false, "20", 1)];
        assert_eq!(walked, expected.map(|(a, b, c, d)| (a.to_owned(), b, c.to_owned(), d)));
    }

    #[test]
    fn a_cursor_in_a_window_is_where_the_next_batch_begins() {
        let mut lease = lease(false, &[key(10)], 1);
        let first = lease.place().unwrap();
        assert!(!lease.advance(&first, key(4)));
        let second = lease.place().unwrap();
        assert_eq!((second.lower.clone(), second.last.clone()), (key(4), key(10)));
        assert!(lease.advance(&second, key(10)));
    }
}

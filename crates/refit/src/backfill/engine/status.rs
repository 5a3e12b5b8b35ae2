//! The status of backfills, for people and for machines: read from any session.

use refit_model::{BackfillDirective, Strategy, Version};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::job::Job;
use super::key::{KeyColumns, key_of};
use crate::error::{Error, outdated};
use crate::pin::pinned;
use crate::queries::Queries;
use crate::report::{FailedRow, JobKind, JobRequest, JobState, JobStatus, JournalStatus, WorkerStatus};
use crate::state::State;

const JOBS: &str = "SELECT b.id, b.version, b.name, b.kind, b.state, b.requested, b.strategy, b.reason, \
        greatest(b.rows_estimated, r.changed, r.walked, 0)::int8, \
        coalesce(r.changed, 0)::int8, \
        CASE WHEN b.state = 'complete' THEN 1 ELSE least(coalesce(r.progress, 0), 0.999) END::float8, \
        b.rows_per_second, coalesce(r.batches, 0)::int8, coalesce(r.retries, 0)::int8, \
        (SELECT pg_catalog.count(*) FROM refit.backfill_error e WHERE e.backfill_id = b.id AND resolved_at IS NULL), \
        b.pass, b.throttle, b.error, extract(epoch FROM coalesce(b.finished_at, pg_catalog.clock_timestamp()) - b.started_at)::float8, \
        coalesce(r.walked_per_changed, 1)::float8, b.journal, pg_catalog.pg_total_relation_size(pg_catalog.to_regclass(b.journal)), \
        CASE WHEN b.state = 'complete' THEN \
            pg_catalog.to_char(b.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') END, b.directive, coalesce(r.vague, true), \
        (SELECT schema_name FROM refit.history h WHERE h.id = b.history_id), \
        b.kind = 'undo' AND EXISTS (SELECT FROM refit.backfill f WHERE f.history_id = b.history_id AND f.version = b.version \
            AND f.id < b.id AND f.directive::jsonb -> 'undo' ->> 'inserted' IS NOT NULL) \
    FROM (SELECT DISTINCT ON (version) * FROM refit.backfill WHERE history_id = $2 ORDER BY version, id DESC) b \
    LEFT JOIN LATERAL ( \
        SELECT pg_catalog.sum(rows_changed) AS changed, pg_catalog.sum(batches) AS batches, pg_catalog.sum(retries) AS retries, \
            pg_catalog.sum(CASE WHEN done THEN 1 WHEN stripes > 1 THEN position::float8 / (stripes * pg_catalog.json_array_length(windows::json)) \
                     WHEN rows_walked < 0.95 * rows_estimated THEN rows_walked::float8 / rows_estimated \
                     ELSE 1 - 0.05 * 0.95 * greatest(rows_estimated, 1) / greatest(rows_walked, 1) END * weight) / pg_catalog.sum(weight) AS progress, \
            pg_catalog.sum(rows_walked) FILTER (WHERE NOT done) AS walked, \
            pg_catalog.bool_and(done) OR pg_catalog.bool_or(NOT done AND stripes = 1 AND rows_walked > 1.5 * rows_estimated) AS vague, \
            pg_catalog.sum(rows_walked)::float8 / greatest(pg_catalog.sum(rows_changed), 1) AS walked_per_changed \
        FROM (SELECT *, greatest(rows_estimated, 1, CASE WHEN NOT done THEN rows_walked END) AS weight \
              FROM refit.backfill_range WHERE backfill_id = b.id) AS ranges) r ON true \
    WHERE $1::int8 IS NULL OR version = $1 ORDER BY b.version";

const WORKERS: &str = "SELECT worker_pid, coalesce(worker_host, ''), relation, id, coalesce(batch_rows, 0), retry_reason \
    FROM refit.backfill_range WHERE backfill_id = $1 AND NOT done AND leased_until > pg_catalog.clock_timestamp() \
      AND EXISTS (SELECT FROM pg_stat_activity WHERE pid = worker_pid) ORDER BY id";

const FAILED: &str = "SELECT relation, key, sqlstate, message, detail, attempts FROM refit.backfill_error \
    WHERE backfill_id = $1 AND resolved_at IS NULL ORDER BY id DESC LIMIT 10";

impl JobStatus {
    /// The backfill of a version; none when there is none.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// use refit::backfill::JobStatus;
    ///
    /// let state = migrator.state(client).await?;
    /// if let Some(job) = JobStatus::of(client, &state, 15).await? {
    ///     println!("{:.0} % of {}", job.progress * 100.0, job.name);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the query fails.
    pub async fn of(client: &Client, state: &State, version: Version) -> Result<Option<JobStatus>, Error> {
        Ok(pinned(client, async || read(client, state, Some(version)).await).await?.pop())
    }

    /// All backfills of a history that were ever registered, the newest job of each version.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// use refit::backfill::JobStatus;
    ///
    /// let state = migrator.state(client).await?;
    /// let jobs = JobStatus::all(client, &state).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the query fails.
    pub async fn all(client: &Client, state: &State) -> Result<Vec<JobStatus>, Error> {
        pinned(client, async || JobStatus::all_pinned(client, state).await).await
    }

    /// The same on a session that is pinned.
    pub(crate) async fn all_pinned(client: &Client, state: &State) -> Result<Vec<JobStatus>, Error> {
        read(client, state, None).await
    }

    /// As [`of`](JobStatus::of), on a session that is pinned.
    pub(crate) async fn of_job(client: &Client, job: &Job) -> Result<Option<JobStatus>, Error> {
        Ok(read(client, &job.state_schema, Some(job.version)).await?.pop())
    }
}

async fn read(client: &Client, state: &State, version: Option<Version>) -> Result<Vec<JobStatus>, Error> {
    if state.is_empty() || !state.has(client, "backfill").await? {
        return Ok(Vec::new());
    }
    let (jobs, workers, failed_rows) = (state.sql(JOBS), state.sql(WORKERS), state.sql(FAILED));
    let failed = || Error::database("reading the backfills");
    let mut all = Vec::new();
    for row in client
        .query_boxed(&jobs, &[(&version, Type::INT8), (&state.history(), Type::INT8)])
        .await
        .map_err(|error| match error.code() {
            Some(&SqlState::UNDEFINED_COLUMN) => outdated(),
            _ => failed()(error),
        })?
    {
        let id: i64 = row.get(0);
        let workers = client.query_boxed(&workers, &[(&id, Type::INT8)]).await.map_err(failed())?;
        let errors = client.query_boxed(&failed_rows, &[(&id, Type::INT8)]).await.map_err(failed())?;
        let mut status = job(&row, &workers, &errors)?;
        if status.kind == JobKind::Undo && status.state == JobState::Complete {
            read_changed(client, &row, &mut status).await?;
        }
        all.push(status);
    }
    Ok(all)
}

fn job(row: &Row, workers: &[Row], errors: &[Row]) -> Result<JobStatus, Error> {
    let seconds: Option<f64> = row.get(18);
    let (progress, rate): (f64, Option<f64>) = (row.get(10), row.get(11));
    let rate = rate.filter(|rate| *rate > 0.0);
    // From progress over time, not from keys, which may be sparse or random. Unknown if only ranges with a wrong estimate, or a
    // closing sweep, are left.
    let state = JobState::read(row.get(4))?;
    let running = state == JobState::Running && progress > 0.0 && !row.get::<_, bool>(24);
    let eta = seconds
        .filter(|_| running && rate.is_some())
        .map(|seconds| (seconds * (1.0 - progress) / progress).max(1.0));
    Ok(JobStatus {
        id: row.get(0),
        history: row.get::<_, Option<String>>(25).unwrap_or_default(),
        version: row.get(1),
        name: row.get(2),
        kind: JobKind::read(row.get(3))?,
        deletes: row.get(26),
        state,
        requested: JobRequest::read(row.get(5))?,
        strategy: row.get::<_, Option<&str>>(6).and_then(Strategy::named),
        reason: row.get(7),
        rows_estimated: row.get(8),
        rows_changed: row.get(9),
        progress,
        rows_per_second: rate,
        eta_seconds: eta,
        batches: row.get(12),
        retries: row.get(13),
        errors: row.get(14),
        pass: row.get(15),
        throttle: row.get(16),
        error: row.get::<_, Option<&str>>(17).map(redacted),
        seconds,
        workers: workers.iter().map(worker).collect(),
        failed_rows: errors.iter().map(failed_row).collect(),
        // A table that was dropped has no size.
        journal: row.get::<_, Option<String>>(20).zip(row.get(21)).map(|(table, bytes)| JournalStatus {
            table,
            bytes,
            kept_since: row.get(22),
        }),
        changed_since: 0,
        changed_keys: Vec::new(),
    })
}

/// Reads the rows that an undo left in its journal.
async fn read_changed(client: &Client, row: &Row, status: &mut JobStatus) -> Result<(), Error> {
    let Some(journal) = &status.journal else { return Ok(()) };
    let directive: BackfillDirective = serde_json::from_str(row.get(23)).map_err(|error| {
        Error::Internal(format!("the directive of the backfill {} cannot be read: {error}", status.name))
    })?;
    let key = KeyColumns::new(&directive.key);
    let failed = || Error::database("reading an undo journal");
    let sql = format!("SELECT pg_catalog.count(*) FROM {}", journal.table);
    status.changed_since = client.query_one_boxed(&sql, &[]).await.map_err(failed())?.get(0);
    let sql = format!(
        "SELECT {} FROM {} ORDER BY {} LIMIT {}",
        key.texts(),
        journal.table,
        key.list(),
        JobStatus::KEYS
    );
    let rows = client.query_boxed(&sql, &[]).await.map_err(failed())?;
    status.changed_keys = rows.iter().map(key_of).collect();
    Ok(())
}

fn worker(row: &Row) -> WorkerStatus {
    WorkerStatus {
        pid: row.get::<_, Option<i32>>(0).unwrap_or(0),
        host: row.get(1),
        relation: row.get(2),
        range: row.get(3),
        batch_rows: row.get(4),
        retry_reason: row.get::<_, Option<&str>>(5).map(redacted),
    }
}

fn failed_row(row: &Row) -> FailedRow {
    FailedRow {
        relation: row.get(0),
        key: row.get(1),
        sqlstate: row.get(2),
        message: redacted(row.get(3)),
        detail: row.get::<_, Option<&str>>(4).map(redacted),
        attempts: row.get(5),
    }
}

/// Redacts errors that older releases recorded as they were.
fn redacted(text: &str) -> String {
    refit_model::redact::text(text).into_owned()
}

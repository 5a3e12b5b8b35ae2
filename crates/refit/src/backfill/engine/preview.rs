//! Preview: some batches run in transactions that are rolled back, and the cost of the whole backfill is estimated from them.
//!
//! No progress is recorded. As any transaction that is rolled back, a sampled batch locks its rows while it runs, leaves dead rows,
//! and consumes sequence values.

mod sample;
mod text;

use refit_model::{Migration, Strategy, Version};
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use self::sample::{Sampled, samples};
use super::begin::{Survey, check_plans, is_function, survey};
use super::facts::{Table, to_float, whole};
use super::job::Job;
use super::lease::Lease;
use super::names::follow_if_behind;
use super::path;
use super::shape::Shape;
use super::strategy::{Choice, STRIPES};
use crate::error::Error;
use crate::pin::Caller;
use crate::queries::Queries;
use crate::report::JobStatus;
use crate::state::State;

/// The backfill to preview.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// The registered job of a version: its remaining rows.
    Registered(Version),
    /// A migration that is not applied.
    Migration(&'a Migration),
}

/// What the sampled batches of a backfill did, and an estimate of the whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Preview {
    /// The version of its migration.
    pub version: Version,
    /// The file name without `.sql`.
    pub name: String,
    /// The table.
    pub table: String,
    /// Why it would not begin; then no batch ran.
    pub refused: Option<String>,
    /// The strategy that walks the key space.
    pub strategy: Option<Strategy>,
    /// Why this strategy.
    pub reason: Option<String>,
    /// Rows that remain to be visited, as estimated.
    pub rows: u64,
    /// Bytes of the table and its indexes.
    pub table_bytes: u64,
    /// Workers that would run.
    pub workers: u32,
    /// The batches that ran.
    pub sample: Sample,
    /// Errors of the batches that failed.
    pub failures: Vec<String>,
    /// The cost of the whole; none when no batch succeeded.
    pub estimate: Option<Estimate>,
}

/// Totals of the batches that ran and were rolled back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sample {
    /// Batches.
    pub batches: u32,
    /// Rows that they visited.
    pub rows_walked: u64,
    /// Rows that they changed.
    pub rows_changed: u64,
    /// Seconds that their statements took.
    pub seconds: f64,
    /// Bytes of WAL that their statements wrote, without the WAL of deferred triggers.
    pub wal_bytes: u64,
}

/// The estimated cost of the rest of a backfill.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Rows changed.
    pub rows_changed: u64,
    /// Seconds with all of its workers, given a core each.
    pub seconds: f64,
    /// Seconds with one worker.
    pub seconds_one_worker: f64,
    /// Bytes of WAL.
    pub wal_bytes: u64,
    /// Bytes by which table and indexes grow; none if unknown.
    pub growth_bytes: Option<u64>,
    /// What the growth estimate is based on.
    pub growth_reason: &'static str,
}

/// What each worker beyond the first adds, as a share of the first. `cargo xtask bench backfill` measures 0.83 for the second on two
/// cores (115,000 and 211,000 rows/s, docs/backfills.md); a lower value makes the estimate too long rather than too short.
const WORKER_GAIN: f64 = 0.7;
/// WAL of a later stripe's visit to a page, as a share of a visit that finds no free space there: 572 kB against 1,907 kB for a
/// stripe of 5,000 rows, measured once. No benchmark repeats it.
const REVISIT_WAL: f64 = 0.3;
/// Growth as a share of the size of table and indexes when each row changes once. `cargo xtask bench backfill` measures 86.4 % for
/// keyset and 14.9 % for stripes, on a table with three indexes (docs/backfills.md).
const KEYSET_GROWTH: f64 = 1.0;
const STRIPED_GROWTH: f64 = 0.12;
/// Keys with a lower correlation to the heap than this visit each page many times, as stripes do.
const RANDOM_CORRELATION: f64 = 0.1;

/// Runs `batches` batches of a backfill, spread over its keys, in transactions that are rolled back.
///
/// ```no_run
/// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
/// use refit::backfill::{Subject, preview};
///
/// let state = migrator.state(client).await?;
/// let preview = preview(client, &state, Subject::Registered(15), 3).await?;
/// if let Some(estimate) = &preview.estimate {
///     println!("{:.0} s, {} bytes of WAL", estimate.seconds, estimate.wal_bytes);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Target`] when there is no such backfill or it is complete, and errors of the connection. Why the backfill itself cannot
/// run is in [`Preview::refused`] and [`Preview::failures`].
pub async fn preview(
    client: &Client,
    state: &State,
    subject: Subject<'_>,
    batches: u32,
) -> Result<Preview, Error> {
    let caller = Caller::pin(client, "pg_catalog.pg_class").await?;
    let preview = look(client, state, &caller, subject, batches).await;
    caller.unpin(client).await;
    preview
}

async fn look(
    client: &Client,
    state: &State,
    caller: &Caller,
    subject: Subject<'_>,
    batches: u32,
) -> Result<Preview, Error> {
    let (job, left) = found(client, state, caller, subject).await?;
    // A job that has not begun has no ranges yet.
    let left = left.filter(|status| status.strategy.is_some());
    let mut preview = Preview {
        version: job.version,
        name: job.name.clone(),
        table: job.directive.table.clone(),
        refused: None,
        strategy: None,
        reason: None,
        rows: 0,
        table_bytes: 0,
        workers: 0,
        sample: Sample::default(),
        failures: Vec::new(),
        estimate: None,
    };
    let basis = match basis(client, &job, left.is_some()).await {
        Ok(Ok(basis)) => basis,
        Ok(Err(reason)) => return Ok(Preview { refused: Some(reason), ..preview }),
        Err(error)
            if error.sqlstate().is_some_and(|code| {
                (code.starts_with("42") && code != "42501") || code.starts_with("22")
            }) =>
        {
            return Ok(Preview { refused: Some(job.redact(&error.message())), ..preview });
        }
        Err(error) => return Err(error),
    };
    let rows = basis.table.rows();
    preview.rows = left.as_ref().map_or(rows, |status| whole(to_float(rows) * (1.0 - status.progress)));
    preview.table_bytes = bytes(client, &basis.table).await?;
    preview.strategy =
        Some(left.as_ref().and_then(|status| status.strategy).unwrap_or(basis.choice.strategy));
    preview.reason =
        Some(left.as_ref().and_then(|status| status.reason.clone()).unwrap_or(basis.choice.reason.clone()));
    let ranges = u32::try_from(basis.leases.len()).unwrap_or(u32::MAX);
    preview.workers = job.directive.workers.min(ranges);
    let (sampled, failures) = samples(client, &job, &basis, batches).await?;
    preview.failures = failures;
    for one in &sampled {
        preview.sample.batches += 1;
        preview.sample.rows_walked += one.walked;
        preview.sample.rows_changed += one.changed;
        preview.sample.seconds += one.seconds;
        preview.sample.wal_bytes += one.wal;
    }
    preview.estimate = preview.estimated(&basis, &sampled, rows);
    Ok(preview)
}

/// The facts before a batch runs.
pub(super) struct Basis {
    pub(super) shape: Shape,
    pub(super) table: Table,
    choice: Choice,
    /// The remaining ranges, as workers would lease them.
    pub(super) leases: Vec<Lease>,
}

/// The job, and its status if it is registered.
async fn found(
    client: &Client,
    state: &State,
    caller: &Caller,
    subject: Subject<'_>,
) -> Result<(Job, Option<JobStatus>), Error> {
    match subject {
        Subject::Registered(version) => {
            follow_if_behind(client, state).await?;
            let Some(job) = Job::of(client, state, version).await? else {
                return Err(Error::Target(format!("version {version} has no backfill in this database")));
            };
            let status = JobStatus::of_job(client, &job).await?;
            if job.state == "complete" {
                return Err(Error::Target(format!("the backfill {} is complete", job.name)));
            }
            Ok((job, status))
        }
        Subject::Migration(migration) => match Job::of_migration(state, &caller.search_path, migration) {
            Some(job) => Ok((as_registered(client, job).await?, None)),
            None => Err(Error::Target(format!("{} is not a backfill", migration.path))),
        },
    }
}

/// The job with its table resolved, as registration does.
pub(super) async fn as_registered(client: &Client, mut job: Job) -> Result<Job, Error> {
    if let Some(table) = path::resolve(client, &job, &job.directive.table).await? {
        job.directive.table = table;
    }
    Ok(job)
}

/// Reads the facts that beginning the job would read, and records nothing.
pub(super) async fn basis(client: &Client, job: &Job, begun: bool) -> Result<Result<Basis, String>, Error> {
    if is_function(job) {
        return Ok(Err("it is a Rust function: only a program that registers it can run a batch".to_owned()));
    }
    let shape = match Shape::read(client, job).await? {
        Ok(shape) => shape,
        Err(reason) => return Ok(Err(reason)),
    };
    let Survey { table, choice, pieces } = match survey(client, job, Some(&shape)).await? {
        Ok(survey) => survey,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(piece) = pieces.first() {
        let failed = || Error::database("previewing a batch");
        client.batch_execute_boxed("BEGIN; SET LOCAL lock_timeout = '1s'").await.map_err(failed())?;
        let looked = path::under(client, job, check_plans(client, job, &shape, piece)).await;
        client.batch_execute_boxed("ROLLBACK").await.map_err(failed())?;
        if looked.is_err() {
            // If the check failed, the statement may still be prepared.
            client.batch_execute_boxed("DEALLOCATE refit_backfill_plan").await.ok();
        }
        if let Err(reason) = looked? {
            return Ok(Err(reason));
        }
    }
    let leases = match begun {
        true => Lease::left(client, job).await?,
        false => pieces.iter().map(Lease::of).collect(),
    };
    Ok(Ok(Basis { shape, table, choice, leases }))
}

async fn bytes(client: &Client, table: &Table) -> Result<u64, Error> {
    let names: Vec<&str> = table.leaves.iter().map(|leaf| leaf.name.as_str()).collect();
    let sql = "SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(name::regclass) + pg_catalog.pg_indexes_size(name::regclass)), 0)::int8 \
               FROM pg_catalog.unnest($1::text[]) AS name";
    let row = client.query_one_boxed(sql, &[(&names, Type::TEXT_ARRAY)]).await;
    let bytes: i64 = row.map_err(Error::database("reading the size of a table"))?.get(0);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

impl Preview {
    /// `rows` is the number of rows of the whole table.
    fn estimated(&self, basis: &Basis, sampled: &[Sampled], rows: u64) -> Option<Estimate> {
        let walked = to_float(self.sample.rows_walked);
        if walked == 0.0 {
            return None;
        }
        let times = to_float(self.rows) / walked;
        let changed = to_float(self.sample.rows_changed) * times;
        let one = self.sample.seconds * times;
        let (growth, growth_reason) = growth(basis);
        let share = changed / to_float(rows.max(1));
        Some(Estimate {
            rows_changed: whole(changed).min(self.rows),
            seconds: one / (1.0 + WORKER_GAIN * f64::from(self.workers.saturating_sub(1))),
            seconds_one_worker: one,
            wal_bytes: whole(wal(sampled) * times),
            growth_bytes: growth.map(|growth| whole(to_float(self.table_bytes) * share * growth)),
            growth_reason,
        })
    }
}

/// The WAL that the sampled rows will cause in the real run.
///
/// Stripes visit the same pages twice in the sample: the first visit also writes full-page images; later ones find free space in
/// the real run, but not in the sample, which is rolled back.
fn wal(sampled: &[Sampled]) -> f64 {
    let visits = |later: bool| {
        let bytes: u64 = sampled.iter().filter(|one| one.later == later).map(|one| one.wal).sum();
        let rows: u64 = sampled.iter().filter(|one| one.later == later).map(|one| one.walked).sum();
        (to_float(bytes), to_float(rows))
    };
    let ((first, first_rows), (later, later_rows)) = (visits(false), visits(true));
    if later_rows == 0.0 || first_rows == 0.0 {
        return first + later;
    }
    let stripes = f64::from(STRIPES);
    let a_row = (first / first_rows + later / later_rows * REVISIT_WAL * (stripes - 1.0)) / stripes;
    a_row * (first_rows + later_rows)
}

fn growth(basis: &Basis) -> (Option<f64>, &'static str) {
    let indexed = basis.table.leaves.iter().any(|leaf| leaf.index_on_set.is_some());
    let random = basis.table.leaves.iter().all(|leaf| leaf.order.abs() < RANDOM_CORRELATION);
    if basis.shape.parts.iter().any(|part| part.sets.is_empty()) {
        return (None, "unknown for statements other than UPDATE");
    }
    match basis.choice.strategy {
        Strategy::Striped => (Some(STRIPED_GROWTH), "as measured for stripes, which reuse space"),
        Strategy::Keyset if random && !indexed => {
            (Some(STRIPED_GROWTH), "as measured for keys in random order, which reuse space")
        }
        _ => (Some(KEYSET_GROWTH), "a new version of each row, as measured"),
    }
}

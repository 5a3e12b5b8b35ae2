//! The status of a database: what is applied since when, what runs, what is blocked and why.

use refit_model::redact;
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::lock::ask_holder;
use crate::lock_keys::LockKeys;
use crate::migrator::Migrator;
use crate::pin::Caller;
use crate::plan::Plan;
use crate::queries::Queries;
use crate::report::{JobStatus, RunOutcome};
use crate::state::State;

/// The status of a database. Reading it changes nothing.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The plan: set minus history.
    pub plan: Plan,
    /// The history, ordered by version.
    pub applied: Vec<AppliedRow>,
    /// The backfills that were ever registered, the newest job of each version.
    pub backfills: Vec<JobStatus>,
    /// The run that holds the lock right now.
    pub holder: Option<Holder>,
    /// The newest run with something to do.
    pub last_run: Option<RunRow>,
}

/// One row of the history.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct AppliedRow {
    /// The version.
    pub version: i64,
    /// The name without version.
    pub name: String,
    /// When, as refinery wrote it: RFC 3339.
    pub applied_on: String,
}

/// The session that holds the migration lock. What looks like a password in its texts, and in those of the sessions that block it,
/// is redacted; control characters are not escaped.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// The pid of its server process.
    pub pid: i32,
    /// Its `application_name`, which names its current step.
    pub application_name: String,
    /// The address from which it is connected.
    pub client: String,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// How long its current statement has run, in seconds.
    pub statement_seconds: f64,
    /// The wait event, if it waits.
    pub waits_for: Option<String>,
    /// Its current or last statement, shortened.
    pub query: String,
    /// The sessions that block it.
    pub blocked_by: Vec<String>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunRow {
    /// Its identity in `refit.run`.
    pub id: i64,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended; `None` while it runs, or if its process was killed.
    pub finished_at: Option<String>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The error that stopped it.
    pub error: Option<String>,
    /// The target version of a rollback; `None` for a run that applied.
    pub undo_to: Option<i64>,
    /// Why it could pass closed gates of its environment; `None` if it could not.
    pub override_reason: Option<String>,
}

impl Status {
    /// The last run, if it was interrupted and work is left: migrations that are to be applied, or for a rollback, undone.
    ///
    /// A run with nothing to do is not recorded, so the last run on record may be older than the state of the database.
    pub fn interrupted_run(&self) -> Option<&RunRow> {
        let run = self.last_run.as_ref()?;
        let is_open = run.outcome == RunOutcome::Running && self.holder.is_none();
        let work_is_left = match run.undo_to {
            Some(to) => self.applied.iter().any(|row| row.version > to),
            None => !self.plan.is_up_to_date() || self.plan.needs_run(),
        };
        (is_open && work_is_left).then_some(run)
    }
}

impl Migrator {
    /// Reads where a database stands: the plan, the history, backfills, the run that is active, and the last one. It changes
    /// nothing and takes no lock.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// let status = migrator.status(client).await?;
    /// if let Some(holder) = &status.holder {
    ///     println!("pid {} has run `{}` for {:.0} s", holder.pid, holder.query, holder.statement_seconds);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Migrator::plan`].
    pub async fn status(&self, client: &Client) -> Result<Status, Error> {
        let plan = self.plan(client).await?;
        let caller = Caller::pin_locally(client, &self.planner.options.history_table()).await?;
        let rest = async {
            let found = history_table(client, caller.relation).await?;
            let schema = found.as_ref().map(|(_, schema)| schema.clone());
            let schema = schema
                .or(self.planner.options.history_schema().map(str::to_owned))
                .or(caller.current_schema.clone());
            let state = self.planner.state_of(client, caller.relation).await?;
            let lock = LockKeys::new(schema.as_deref().unwrap_or("public"), caller.relation);
            Ok(Status {
                plan,
                applied: match found {
                    Some((table, _)) => applied(client, &table).await?,
                    None => Vec::new(),
                },
                backfills: JobStatus::all_pinned(client, &state).await?,
                holder: holder(client, lock).await?,
                last_run: last_run(client, &state).await?,
            })
        };
        let status = rest.await;
        caller.unpin(client).await;
        status
    }
}

/// The history's table, qualified and quoted, and its schema.
async fn history_table(client: &Client, relation: Option<u32>) -> Result<Option<(String, String)>, Error> {
    let sql = "SELECT pg_catalog.format('%I.%I', nspname, relname), nspname::pg_catalog.text \
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace WHERE c.oid = $1";
    let rows = client.query_boxed(sql, &[(&relation, Type::OID)]).await;
    let rows = rows.map_err(Error::database("looking for the history"))?;
    Ok(rows.first().map(|row| (row.get(0), row.get(1))))
}

async fn applied(client: &Client, table: &str) -> Result<Vec<AppliedRow>, Error> {
    let sql = format!(
        "SELECT version::pg_catalog.int8, coalesce(name, ''), coalesce(applied_on, '') FROM {table} ORDER BY version"
    );
    let rows = client.query_boxed(&sql, &[]).await.map_err(Error::database("reading the history"))?;
    let row = |row: &tokio_postgres::Row| AppliedRow {
        version: row.get(0),
        name: row.get(1),
        applied_on: row.get(2),
    };
    Ok(rows.iter().map(row).collect())
}

async fn holder(client: &Client, lock: LockKeys) -> Result<Option<Holder>, Error> {
    let columns = "activity.pid, coalesce(application_name, ''), coalesce(pg_catalog.host(client_addr), 'local socket'), \
                   coalesce(state, 'not visible to this role'), \
                   coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - query_start), 0)::float8, \
                   wait_event_type || ': ' || wait_event, \
                   pg_catalog.left(pg_catalog.regexp_replace(coalesce(query, ''), '\\s+', ' ', 'g'), 200), \
                   ARRAY(SELECT pg_catalog.format('pid %s (%s, %s), %s, in a transaction for %s s; last query: %s', other.pid, \
                                       other.usename, coalesce(nullif(other.application_name, ''), 'no name'), \
                                       other.state, \
                                       pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - other.xact_start)), \
                                       pg_catalog.left(pg_catalog.regexp_replace(other.query, '\\s+', ' ', 'g'), 120)) \
                         FROM pg_stat_activity AS other WHERE other.pid = ANY (pg_catalog.pg_blocking_pids(activity.pid)))";
    let mut row = None;
    for key in lock.each() {
        row = match row {
            None => ask_holder(client, key, columns).await?,
            found => found,
        };
    }
    Ok(row.map(|row| Holder {
        pid: row.get(0),
        application_name: row.get(1),
        client: row.get(2),
        state: row.get(3),
        statement_seconds: row.get(4),
        waits_for: row.get::<_, Option<String>>(5).filter(|wait| !wait.starts_with("Client")),
        query: redact::text(row.get(6)).into_owned(),
        blocked_by: row
            .get::<_, Vec<&str>>(7)
            .into_iter()
            .map(|text| redact::text(text).into_owned())
            .collect(),
    }))
}

async fn last_run(client: &Client, state: &State) -> Result<Option<RunRow>, Error> {
    if state.is_empty() {
        return Ok(None);
    }
    let time =
        |column| format!("pg_catalog.to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')");
    let sql = format!(
        "SELECT id, {}, {}, outcome, error, undo_to, pg_catalog.to_jsonb(run) ->> 'override_reason' FROM refit.run WHERE history_id = $1 ORDER BY id DESC LIMIT 1",
        time("started_at"),
        time("finished_at")
    );
    let rows = client.query_boxed(&state.sql(&sql), &[(&state.history(), Type::INT8)]).await;
    let rows = rows.map_err(Error::database("reading the last run"))?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(RunRow {
        id: row.get(0),
        started_at: row.get(1),
        finished_at: row.get(2),
        outcome: RunOutcome::read(row.get(3))?,
        // Older releases recorded errors without redaction.
        error: row.get::<_, Option<&str>>(4).map(|error| redact::text(error).into_owned()),
        undo_to: row.get(5),
        // Older releases have no such column.
        override_reason: row.get(6),
    }))
}

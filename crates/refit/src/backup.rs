//! Records of backups, in `refit.backup`. Making backups is the work of `refit-backup`, or of a program's own hook.
//!
//! *Invariant*: a row is written before its backup begins, and a backup is complete only if its row says so.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::lock_keys;
use crate::pin::pinned;
use crate::prepare;
pub use crate::report::{BackupRecord, BackupState};
use crate::state::{Component, Present, State, upgrade};
use crate::trust::refuse_untrusted_state;

/// What is known of a backup before it begins.
#[derive(Debug, Clone, Copy)]
pub struct NewBackup<'a> {
    /// The ID that commands take; none if the backup itself determines it.
    pub name: Option<&'a str>,
    /// `restore-point`, `tables`, `full` or `command`.
    pub kind: &'a str,
    /// The id of the run that it is made for.
    pub run: Option<i64>,
    /// The tables whose rows it is to hold, qualified and quoted.
    pub tables: &'a [String],
    /// The file, if it will have one.
    pub path: Option<&'a str>,
    /// The version of the server.
    pub server_version: &'a str,
    /// The version of `pg_dump`, if one is used.
    pub dump_version: Option<&'a str>,
    /// The system identifier of the server.
    pub system_identifier: &'a str,
}

/// Records that a backup begins, and returns the identity of its row. The table is created if this is the first backup. Rows whose
/// process was killed are recorded as failed.
///
/// `client` must be a connection of its own, open until [`complete`] or [`fail`]: it holds the lock that shows that the backup is
/// running.
///
/// ```no_run
/// use refit::backup::{self, NewBackup};
///
/// # async fn example(client: &tokio_postgres::Client, state: &refit::State) -> Result<(), refit::Error> {
/// let new = NewBackup {
///     name: None, kind: "command", run: None, tables: &[], path: None,
///     server_version: "17.10", dump_version: None, system_identifier: "7312345678901234567",
/// };
/// let row = backup::begin(client, state, &new).await?;
/// // … make the backup …
/// backup::complete(client, state, row, "snapshot-0123", None).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::History`] if the history has no records yet; [`Error::Database`] if the role lacks a privilege, or a query fails.
pub async fn begin(client: &Client, state: &State, new: &NewBackup<'_>) -> Result<i64, Error> {
    if state.is_empty() {
        return Err(Error::History("Refit has applied nothing to this database yet".to_owned()));
    }
    ensure(client, state).await?;
    let parameters: [(&(dyn ToSql + Sync), Type); 9] = [
        (&state.history(), Type::INT8),
        (&new.run, Type::INT8),
        (&new.name, Type::TEXT),
        (&new.kind, Type::TEXT),
        (&new.tables, Type::TEXT_ARRAY),
        (&new.path, Type::TEXT),
        (&new.server_version, Type::TEXT),
        (&new.dump_version, Type::TEXT),
        (&new.system_identifier, Type::TEXT),
    ];
    let stale = format!(
        "UPDATE refit.backup SET state = 'failed', error = 'the process exited unexpectedly' \
         WHERE history_id = $1 AND state = 'running' AND NOT {IS_HELD}"
    );
    let insert = "INSERT INTO refit.backup (history_id, run_id, name, kind, tables, path, server_version, dump_version, \
                      system_identifier) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                  RETURNING id, pg_catalog.pg_try_advisory_lock(1919247723, id::int4)";
    let failed = || Error::database("recording a backup");
    pinned(client, async || {
        let history: [(&(dyn ToSql + Sync), Type); 1] = [(&state.history(), Type::INT8)];
        client.execute_typed(&state.sql(&stale), &history).await.map_err(failed())?;
        let row = client.query_typed_one(&state.sql(insert), &parameters).await.map_err(failed())?;
        Ok(row.get(0))
    })
    .await
}

/// Records that a backup is complete: its ID, and size and SHA-256 of its file, if it has one.
///
/// # Errors
/// [`Error::Database`] if a query fails.
pub async fn complete(
    client: &Client,
    state: &State,
    row: i64,
    name: &str,
    file: Option<(u64, &str)>,
) -> Result<(), Error> {
    let sql = "UPDATE refit.backup SET state = 'complete', finished_at = pg_catalog.clock_timestamp(), name = $3, \
                   bytes = $4, sha256 = $5 WHERE id = $1 AND history_id = $2";
    let bytes = file.map(|(bytes, _)| i64::try_from(bytes).unwrap_or(i64::MAX));
    let sha256 = file.map(|(_, sha256)| sha256);
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&row, Type::INT8),
        (&state.history(), Type::INT8),
        (&name, Type::TEXT),
        (&bytes, Type::INT8),
        (&sha256, Type::TEXT),
    ];
    update(client, state, sql, &parameters).await
}

/// Records that a backup failed.
///
/// # Errors
/// [`Error::Database`] if a query fails.
pub async fn fail(client: &Client, state: &State, row: i64, reason: &str) -> Result<(), Error> {
    let sql = "UPDATE refit.backup SET state = 'failed', finished_at = pg_catalog.clock_timestamp(), error = $3 \
               WHERE id = $1 AND history_id = $2 AND state = 'running'";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&row, Type::INT8), (&state.history(), Type::INT8), (&reason, Type::TEXT)];
    update(client, state, sql, &parameters).await
}

/// Records that the file of a backup was removed; does nothing if there is no record of it.
///
/// # Errors
/// [`Error::Database`] if a query fails.
pub async fn removed(client: &Client, state: &State, name: &str) -> Result<(), Error> {
    if state.is_empty() || !state.has(client, "backup").await? {
        return Ok(());
    }
    let sql = "UPDATE refit.backup SET state = 'removed' WHERE history_id = $1 AND name = $2";
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&state.history(), Type::INT8), (&name, Type::TEXT)];
    update(client, state, sql, &parameters).await
}

/// All backups of a history, oldest first; none if there are no records.
///
/// ```no_run
/// # async fn example(client: &tokio_postgres::Client, state: &refit::State) -> Result<(), refit::Error> {
/// for backup in refit::backup::all(client, state).await? {
///     println!("{:?}: {:?}", backup.id, backup.state);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Database`] if a query fails.
pub async fn all(client: &Client, state: &State) -> Result<Vec<BackupRecord>, Error> {
    pinned(client, async || read(client, state, None).await).await
}

/// The backups that were made for a run, on a pinned session.
pub(crate) async fn of_run(client: &Client, state: &State, run: i64) -> Result<Vec<BackupRecord>, Error> {
    read(client, state, Some(run)).await
}

async fn read(client: &Client, state: &State, run: Option<i64>) -> Result<Vec<BackupRecord>, Error> {
    if state.is_empty() || !state.has(client, "backup").await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT id, name, kind, CASE WHEN state = 'running' AND NOT {IS_HELD} THEN 'interrupted' ELSE state END, \
             pg_catalog.to_char(began_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
             extract(epoch FROM finished_at - began_at)::float8, bytes, run_id, tables, path, sha256, server_version, \
             dump_version, system_identifier, database_name, error \
         FROM refit.backup WHERE history_id = $1 AND ($2::int8 IS NULL OR run_id = $2) ORDER BY id"
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&state.history(), Type::INT8), (&run, Type::INT8)];
    let rows = client.query_typed(&state.sql(&sql), &parameters).await;
    let rows = rows.map_err(Error::database("reading the backups"))?;
    rows.iter().map(record).collect()
}

/// Whether the session that makes the backup of a row still exists.
const IS_HELD: &str = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 \
    AND classid = 1919247723 AND objid = backup.id::int4::oid \
    AND database = (SELECT oid FROM pg_database WHERE datname = pg_catalog.current_database()))";

fn record(row: &Row) -> Result<BackupRecord, Error> {
    Ok(BackupRecord {
        row: row.get(0),
        id: row.get(1),
        kind: row.get(2),
        state: BackupState::read(row.get(3))?,
        created_at: row.get(4),
        seconds: row.get(5),
        bytes: row.get(6),
        run: row.get(7),
        tables: row.get(8),
        path: row.get(9),
        sha256: row.get(10),
        server_version: row.get(11),
        dump_version: row.get(12),
        system_identifier: row.get(13),
        database: row.get(14),
        error: row.get(15),
    })
}

async fn update(
    client: &Client,
    state: &State,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<(), Error> {
    pinned(client, async || {
        let updated = client.execute_typed(&state.sql(sql), parameters).await;
        updated.map(drop).map_err(Error::database("recording a backup"))
    })
    .await
}

/// Creates the table, or upgrades it.
async fn ensure(client: &Client, state: &State) -> Result<(), Error> {
    let failed = || Error::database("creating the table of backups");
    if pinned(client, async || missing(client, state).await).await?.is_none() {
        return Ok(());
    }
    let key = lock_keys::key(&format!("state {}", state.schema()));
    prepare::take(client, key, &Interrupt::new()).await?;
    let made = pinned(client, async || {
        refuse_untrusted_state(client, state.schema()).await?;
        let Some(sql) = missing(client, state).await? else { return Ok(()) };
        client.batch_execute(&format!("SET LOCAL lock_timeout = '5s';{sql}")).await.map_err(failed())
    })
    .await;
    client.batch_execute(&format!("SELECT pg_catalog.pg_advisory_unlock({key})")).await.map_err(failed())?;
    made
}

/// SQL that creates or upgrades the table; none if it is up to date.
async fn missing(client: &Client, state: &State) -> Result<Option<String>, Error> {
    let present = Present::read(client, state.schema()).await?;
    Ok(upgrade(state, &present, &[Component::Backup]))
}

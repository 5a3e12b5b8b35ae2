//! Schema `refit`: what Refit itself remembers beside refinery's history. Created and evolved by the runs themselves.

use refit_model::Version;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::plan::StepKind;

/// The releases of the state, in order. Each runs once; which ones have run is kept in the schema's comment.
const RELEASES: [&str; 3] =
    [include_str!("state/runs.sql"), include_str!("state/backfill.sql"), include_str!("state/undo.sql")];

/// How much of the state is needed: what is made for one includes what is made for those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Runs that apply.
    Runs = 1,
    /// Sets that have backfills.
    Backfills = 2,
    /// Runs that go back.
    Undo = 3,
}

/// SQL that brings the state of a database to this release, given the comment on its schema.
///
/// Run in one transaction. A newer release than ours is left alone: its tables only grow. What is not needed yet is not made.
pub(crate) fn upgrade(comment: Option<&str>, needs: Needs) -> Option<String> {
    let have: usize = comment
        .and_then(|comment| comment.strip_prefix("refit state "))
        .and_then(|rest| rest.split(':').next())
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0);
    let wanted = needs as usize;
    let missing = RELEASES.get(have..wanted).filter(|missing| !missing.is_empty())?;
    Some(format!(
        "{}COMMENT ON SCHEMA refit IS 'refit state {}: what the migrations of this database remember; managed by refit';",
        missing.concat(),
        wanted
    ))
}

/// Reads the comment on schema `refit`.
pub(crate) async fn comment(client: &Client) -> Result<Option<String>, Error> {
    let sql = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'refit'";
    let rows = client.query_typed(sql, &[]).await.map_err(Error::database("reading schema refit"))?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// Whether there is a relation of that name.
pub(crate) async fn exists(client: &Client, relation: &str) -> Result<bool, Error> {
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let row = client.query_typed_one(sql, &[(&relation, Type::TEXT)]).await;
    Ok(row.map_err(Error::database("looking for what is remembered"))?.get(0))
}

/// Opens a run.
pub(crate) async fn begin_run(client: &Client, environment: &str, planned: usize) -> Result<i64, Error> {
    let planned = i32::try_from(planned).unwrap_or(i32::MAX);
    let sql = "INSERT INTO refit.run (environment, refit_version, planned) VALUES ($1, $2, $3) RETURNING id";
    let version = env!("CARGO_PKG_VERSION");
    let row = client
        .query_typed_one(sql, &[(&environment, Type::TEXT), (&version, Type::TEXT), (&planned, Type::INT4)])
        .await
        .map_err(Error::database("opening the run"))?;
    Ok(row.get(0))
}

/// Opens a run that goes back to a version.
pub(crate) async fn begin_undo(
    client: &Client,
    environment: &str,
    planned: usize,
    to: Version,
) -> Result<i64, Error> {
    let run = begin_run(client, environment, planned).await?;
    let sql = "UPDATE refit.run SET undo_to = $2 WHERE id = $1";
    client
        .execute_typed(sql, &[(&run, Type::INT8), (&to, Type::INT8)])
        .await
        .map_err(Error::database("opening the run"))?;
    Ok(run)
}

/// Closes a run as it came out, and answers that. The commit also makes the steps durable, which commit without waiting for the disk.
pub(crate) async fn end_run(client: &Client, run: i64, came_out: Result<(), Error>) -> Result<(), Error> {
    if client.is_closed() {
        return came_out;
    }
    let error = came_out.as_ref().err().map(ToString::to_string);
    let outcome = if error.is_some() { "failed" } else { "succeeded" };
    let sql = "UPDATE refit.run SET finished_at = clock_timestamp(), outcome = $2, error = $3 WHERE id = $1";
    let ended = client
        .execute_typed(sql, &[(&run, Type::INT8), (&outcome, Type::TEXT), (&error, Type::TEXT)])
        .await
        .map_err(Error::database("closing the run"));
    // The first error is the one to tell.
    came_out.and(ended.map(drop))
}

/// What a step is in `refit.step`.
#[derive(Debug, Clone)]
pub(crate) struct StepRow<'a> {
    pub(crate) run: i64,
    pub(crate) kind: StepKind,
    pub(crate) version: Option<Version>,
    pub(crate) name: &'a str,
    pub(crate) checksum: u64,
    pub(crate) attempts: u32,
}

/// What is known of an earlier attempt at a step that runs statement by statement.
pub(crate) struct Earlier {
    /// How many statements it completed, [`StatementKind::Session`](refit_model::StatementKind) not counted.
    pub(crate) done: usize,
    /// The checksum of their texts.
    pub(crate) checksum: String,
    /// Whether an attempt at the same text ended without a word, perhaps in the middle of the next statement.
    pub(crate) interrupted: bool,
}

impl StepRow<'_> {
    fn kind(&self) -> &'static str {
        match self.kind {
            StepKind::Versioned => "versioned",
            StepKind::Repeatable => "repeatable",
            StepKind::Undo => "undo",
        }
    }

    /// The values of an INSERT for a step that succeeds with the transaction it is part of.
    pub(crate) fn insert_succeeded(&self) -> String {
        let version = self.version.map_or("NULL".to_owned(), |version| version.to_string());
        format!(
            "INSERT INTO refit.step (run_id, kind, version, name, checksum, finished_at, outcome, attempts) \
             VALUES ({}, '{}', {version}, {}, '{}', clock_timestamp(), 'succeeded', {})",
            self.run,
            self.kind(),
            postgres_protocol::escape::escape_literal(self.name),
            self.checksum,
            self.attempts,
        )
    }

    /// Whether this run has recorded the step as one that succeeded. False where that cannot be asked.
    pub(crate) async fn is_recorded(&self, client: &Client) -> bool {
        let sql = "SELECT EXISTS (SELECT FROM refit.step WHERE run_id = $1 AND kind = $2 \
                       AND version IS NOT DISTINCT FROM $3 AND name = $4 AND outcome = 'succeeded')";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
            (&self.run, Type::INT8),
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
        ];
        client.query_typed_one(sql, &parameters).await.is_ok_and(|row| row.get(0))
    }

    /// Records a failed step, in a transaction of its own.
    pub(crate) async fn insert_failed(&self, client: &Client, error: &str) -> Result<(), Error> {
        let sql = "INSERT INTO refit.step (run_id, kind, version, name, checksum, finished_at, outcome, attempts, error) \
                   VALUES ($1, $2, $3, $4, $5, clock_timestamp(), 'failed', $6, $7)";
        let attempts = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        client
            .execute_typed(
                sql,
                &[
                    (&self.run, Type::INT8),
                    (&self.kind(), Type::TEXT),
                    (&self.version, Type::INT8),
                    (&self.name, Type::TEXT),
                    (&self.checksum.to_string(), Type::TEXT),
                    (&attempts, Type::INT4),
                    (&error, Type::TEXT),
                ],
            )
            .await
            .map_err(Error::database("recording a failed step"))?;
        Ok(())
    }

    /// The last attempt at this step since it last succeeded, whatever its text was then.
    pub(crate) async fn earlier(&self, client: &Client) -> Result<Option<Earlier>, Error> {
        let sql = "WITH attempts AS ( \
                       SELECT id, statements_done, statements_checksum, outcome, checksum FROM refit.step \
                       WHERE kind = $1 AND version IS NOT DISTINCT FROM $2 AND name = $3 \
                         AND statements_done IS NOT NULL AND outcome <> 'succeeded' \
                         AND id > coalesce((SELECT max(id) FROM refit.step WHERE kind = $1 AND name = $3 \
                             AND version IS NOT DISTINCT FROM $2 AND outcome = 'succeeded'), 0)), \
                   newest AS (SELECT * FROM attempts ORDER BY id DESC LIMIT 1) \
                   SELECT statements_done, coalesce(statements_checksum, ''), EXISTS ( \
                       SELECT FROM attempts WHERE outcome = 'running' AND checksum = $4 \
                         AND statements_done = newest.statements_done) \
                   FROM newest";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
            (&self.checksum.to_string(), Type::TEXT),
        ];
        let rows = client.query_typed(sql, &parameters).await;
        let rows = rows.map_err(Error::database("looking for an earlier attempt"))?;
        Ok(rows.first().map(|row| Earlier {
            done: usize::try_from(row.get::<_, i32>(0)).unwrap_or(0),
            checksum: row.get(1),
            interrupted: row.get(2),
        }))
    }

    /// Opens a step that runs statement by statement, of which `done` are complete; answers its id.
    pub(crate) async fn open(&self, client: &Client, done: usize, checksum: &str) -> Result<i64, Error> {
        let sql = "INSERT INTO refit.step (run_id, kind, version, name, checksum, outcome, statements_done, \
                                           statements_checksum) \
                   VALUES ($1, $2, $3, $4, $5, 'running', $6, $7) RETURNING id";
        let done = i32::try_from(done).unwrap_or(i32::MAX);
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 7] = [
            (&self.run, Type::INT8),
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
            (&self.checksum.to_string(), Type::TEXT),
            (&done, Type::INT4),
            (&checksum, Type::TEXT),
        ];
        let row = client.query_typed_one(sql, &parameters).await;
        Ok(row.map_err(Error::database("opening a step"))?.get(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_runs_what_is_missing_only() {
        assert!(upgrade(None, Needs::Backfills).unwrap().contains("CREATE TABLE refit.run"));
        assert!(!upgrade(None, Needs::Runs).unwrap().contains("CREATE TABLE refit.backfill"));
        assert!(upgrade(Some("made by hand"), Needs::Runs).is_some());
        let second = upgrade(Some("refit state 1: x"), Needs::Backfills).unwrap();
        assert!(second.starts_with("CREATE TABLE refit.backfill") && second.contains("refit state 2:"));
        let third = upgrade(Some("refit state 2: x"), Needs::Undo).unwrap();
        assert!(third.starts_with("ALTER TABLE refit.run") && third.contains("refit state 3:"));
        assert_eq!(upgrade(Some("refit state 1: x"), Needs::Runs), None);
        assert_eq!(Needs::Undo as usize, RELEASES.len());
        assert_eq!(upgrade(Some(&format!("refit state {}: x", RELEASES.len())), Needs::Undo), None);
        assert_eq!(upgrade(Some("refit state 99: a newer refit"), Needs::Undo), None);
    }

    #[test]
    fn every_column_is_documented() {
        let ddl = RELEASES.concat();
        let columns = ddl
            .lines()
            .filter(|line| line.starts_with("    ") && !line.starts_with("     ") && !line.contains("--"));
        let columns = columns.filter(|line| !line.contains("UNIQUE ("));
        let columns = columns.filter(|line| !line.contains("IF ")).count();
        assert_eq!(ddl.matches("COMMENT ON COLUMN").count(), columns);
    }
}

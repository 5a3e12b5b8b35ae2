//! Steps outside a transaction: one statement at a time, restartable at the statement that was interrupted.
//!
//! Invariant: `refit.step.statements_done` never counts a statement whose effect could be missing. A statement that can
//! run in a transaction is counted in the same transaction; for the others the count follows, and a restart finds either
//! nothing, an invalid index (dropped), or the finished effect (recognised by the error that it exists already).

use std::time::Duration;

use refit_model::{Statement, StatementKind};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::error::Error;
use crate::failure::{Attempt, Remains};
use crate::lock::LOCK_KEY;
use crate::state::OpenStep;
use crate::step::{Stage, Step, send};

impl Stage<'_> {
    /// Runs the statements that an earlier attempt has not completed, then enters the step in the history.
    pub(crate) async fn by_statement(&self, step: &Step<'_>, record: &str) -> Result<u32, Error> {
        let OpenStep { id, done, interrupted } = self.row(step, 1).open(self.client).await?;
        if done > 0 || interrupted {
            info!(step = step.stem, done, "going on with a step that was interrupted");
        }
        self.begin_session(step).await?;
        let mut attempts = 1;
        let statements = refit_model::split_statements(step.sql);
        for (index, statement) in statements.iter().enumerate() {
            let session = statement.kind == StatementKind::Session;
            if index < done && !session {
                continue;
            }
            // The one that was running when the earlier attempt ended may find its own effect.
            let interrupted = interrupted && index == done;
            let tried = self.statement(step, id, index, statement, interrupted).await?;
            attempts = attempts.max(tried);
        }
        let finish = format!(
            "BEGIN;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;{}WITH record AS ({record}) UPDATE refit.step \
             SET outcome = 'succeeded', finished_at = clock_timestamp(), attempts = {attempts} WHERE id = {id};COMMIT",
            self.facts.restore
        );
        if let Err((error, completed)) = send(self.client, &finish).await {
            self.clean_up().await;
            let attempt = Attempt { error, completed, opening: 0, blockers: Vec::new() };
            let remains = Remains::Statements { failed: statements.len(), offset: 0 };
            return Err(attempt.into_error(step, attempts, remains));
        }
        Ok(attempts)
    }

    /// Long waits are in the nature of these statements, and most of their locks stop nobody: no limit unless named.
    async fn begin_session(&self, step: &Step<'_>) -> Result<(), Error> {
        let timeout = step.lock_timeout.unwrap_or(Duration::ZERO).as_millis();
        let name = postgres_protocol::escape::escape_literal(&format!("refit {}", step.stem));
        let sql = format!("SET lock_timeout = '{timeout}ms';SET application_name = {name}");
        self.client.batch_execute(&sql).await.map_err(Error::database("preparing the session"))
    }

    async fn statement(
        &self,
        step: &Step<'_>,
        id: i64,
        index: usize,
        statement: &Statement<'_>,
        interrupted: bool,
    ) -> Result<u32, Error> {
        let mut delays = self.delays();
        let mut attempts = 1;
        loop {
            let outcome = match &statement.kind {
                StatementKind::Plain => self.counted_statement(step, id, index, statement).await,
                kind => {
                    if let StatementKind::CreateIndexConcurrently { index: name, table } = kind {
                        self.drop_invalid_index(name.as_deref(), table).await?;
                    }
                    self.free_statement(id, index, statement, interrupted).await
                }
            };
            let Err(failed) = outcome else { return Ok(attempts) };
            if self.pause_before_retry(step, &failed, attempts, &mut delays).await? {
                attempts += 1;
                self.begin_session(step).await?;
                continue;
            }
            let error = failed.into_error(
                step,
                attempts,
                Remains::Statements { failed: index, offset: statement.offset },
            );
            self.close_failed(id, attempts, &error).await;
            return Err(error);
        }
    }

    /// A statement that can run in a transaction: counted with its effect.
    async fn counted_statement(
        &self,
        step: &Step<'_>,
        id: i64,
        index: usize,
        statement: &Statement<'_>,
    ) -> Result<(), Attempt> {
        let timeout = step.lock_timeout.unwrap_or(self.lock_timeout).as_millis();
        let opening = format!(
            "BEGIN;SELECT pg_catalog.set_config('lock_timeout','{timeout}ms',true),\
             CASE WHEN NOT pg_catalog.pg_try_advisory_xact_lock({LOCK_KEY}) \
             THEN pg_catalog.current_setting('refit.another_session_holds_the_migration_lock') END;"
        );
        let message = format!("{opening}{}\n;{};COMMIT", statement.text, count(id, index + 1));
        match send(self.client, &message).await {
            Ok(()) => Ok(()),
            Err((error, completed)) => {
                let blockers = match crate::step::is_lock_trouble(&error) {
                    true => crate::blockers::of(self.client, statement.text, self.lock_timeout).await,
                    false => Vec::new(),
                };
                self.clean_up().await;
                Err(Attempt { error, completed, opening: opening.chars().count(), blockers })
            }
        }
    }

    /// A statement that cannot: run by itself, counted afterwards.
    async fn free_statement(
        &self,
        id: i64,
        index: usize,
        statement: &Statement<'_>,
        interrupted: bool,
    ) -> Result<(), Attempt> {
        let attempt = |error, completed| Attempt { error, completed, opening: 0, blockers: Vec::new() };
        match send(self.client, statement.text).await {
            Ok(()) => {}
            Err((error, _)) if interrupted && found_its_effect(&error, statement.text) => {
                warn!(statement = index + 1, reason = %crate::error::describe(&error), "it was complete already");
            }
            Err((error, completed)) => return Err(attempt(error, completed)),
        }
        if statement.kind == StatementKind::Session {
            return Ok(());
        }
        send(self.client, &count(id, index + 1)).await.map_err(|(error, completed)| attempt(error, completed))
    }

    /// Drops what an interrupted CREATE INDEX CONCURRENTLY left, unless somebody is building it right now.
    async fn drop_invalid_index(&self, index: Option<&str>, table: &[String]) -> Result<(), Error> {
        let Some(index) = index else { return self.drop_unnamed_invalid_indexes(table).await };
        self.drop_invalid(
            "SELECT format('%I.%I', nspname, relname) \
             FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace \
             WHERE NOT indisvalid AND indrelid = to_regclass($1) AND relname = $2 \
               AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS progress WHERE index_relid = indexrelid)",
            table,
            index,
        )
        .await
    }

    /// The server names such an index after its table; an invalid one with such a name was ours or another's failure.
    async fn drop_unnamed_invalid_indexes(&self, table: &[String]) -> Result<(), Error> {
        let prefix = table.last().map_or("", String::as_str);
        self.drop_invalid(
            "SELECT format('%I.%I', nspname, relname) \
             FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace \
             WHERE NOT indisvalid AND indrelid = to_regclass($1) AND starts_with(relname, $2 || '_') \
               AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS progress WHERE index_relid = indexrelid)",
            table,
            prefix,
        )
        .await
    }

    async fn drop_invalid(&self, query: &str, table: &[String], name: &str) -> Result<(), Error> {
        let table: Vec<String> = table
            .iter()
            .map(|part| postgres_protocol::escape::escape_identifier(part).trim().to_owned())
            .collect();
        let table = table.join(".");
        let rows = self
            .client
            .query_typed(query, &[(&table, Type::TEXT), (&name, Type::TEXT)])
            .await
            .map_err(Error::database("looking for an invalid index"))?;
        for row in rows {
            let index: String = row.get(0);
            warn!(%index, "dropping an invalid index that an interrupted attempt left");
            let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
            self.client.batch_execute(&sql).await.map_err(Error::database("dropping an invalid index"))?;
        }
        Ok(())
    }

    async fn close_failed(&self, id: i64, attempts: u32, error: &Error) {
        self.clean_up().await;
        let sql = "UPDATE refit.step SET outcome = 'failed', finished_at = clock_timestamp(), attempts = $2, error = $3 \
                   WHERE id = $1";
        let attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
        let text = error.to_string();
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&id, Type::INT8), (&attempts, Type::INT4), (&text, Type::TEXT)];
        if !self.client.is_closed()
            && let Err(error) = self.client.execute_typed(sql, &parameters).await
        {
            warn!(error = %crate::error::describe(&error), "could not record the failed step");
        }
    }
}

fn count(id: i64, done: usize) -> String {
    format!("UPDATE refit.step SET statements_done = {done} WHERE id = {id}")
}

/// Whether the error says that the statement's effect is there: what it creates exists, what it drops does not.
fn found_its_effect(error: &tokio_postgres::Error, statement: &str) -> bool {
    let first = statement.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let Some(code) = error.code() else { return false };
    match first.as_str() {
        "CREATE" => {
            *code == SqlState::DUPLICATE_TABLE
                || *code == SqlState::DUPLICATE_OBJECT
                || *code == SqlState::DUPLICATE_DATABASE
        }
        "DROP" => {
            *code == SqlState::UNDEFINED_OBJECT
                || *code == SqlState::UNDEFINED_TABLE
                || *code == SqlState::INVALID_CATALOG_NAME
        }
        "ALTER" => *code == SqlState::UNDEFINED_TABLE || *code == SqlState::DUPLICATE_OBJECT,
        _ => false,
    }
}

//! Writes the parts of a script: session, lock, records, steps in a transaction.

use std::time::Duration;

use postgres_protocol::escape::escape_literal as literal;
use refinery_core::AsyncMigrate;
use refit_model::Version;
use tokio_postgres::Client;

use super::comment;
use crate::error::Error;
use crate::exec::Step;
use crate::pin;
use crate::planner::Planner;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::session::Session;
use crate::state::{Component, Present, StepRow, outdated, upgrade};

/// A script that is being written.
pub(super) struct Writer<'a> {
    pub(super) sql: String,
    pub(super) facts: &'a Preflight,
    /// The lock timeout of steps that set none.
    lock_timeout: Duration,
    environment: &'a str,
    /// An expression for the id of the history.
    pub(super) history: String,
    /// An expression for the id of the run.
    pub(super) run: String,
    /// The rest of a query for the runs that this session has begun and not ended.
    open_runs: String,
    /// A condition that is true unless the step before was recorded as applied.
    before: Option<String>,
}

impl<'a> Writer<'a> {
    /// Begins a script: the session, the lock, the proof that the history is still the one of the plan, and what a run creates
    /// before its first step.
    pub(super) async fn begin(
        planner: &'a Planner,
        client: &Client,
        facts: &'a Preflight,
        heading: &str,
        newest: Option<Version>,
    ) -> Result<Writer<'a>, Error> {
        let set = planner.set()?;
        refuse_old_state(client, facts).await?;
        let is_new = facts.state.is_empty();
        let schema = facts.state.quoted();
        let history = match is_new {
            true => facts.state.registered(&facts.history_table),
            false => facts.state.history().to_string(),
        };
        // A process id is used again, so the run must be younger than the session.
        let open_runs = format!(
            "FROM {schema}.run WHERE outcome = 'running' AND backend_pid = pg_catalog.pg_backend_pid() \
             AND started_at >= (SELECT backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()))"
        );
        let mut writer = Writer {
            sql: format!("{heading}\\set ON_ERROR_STOP on\n\n"),
            facts,
            lock_timeout: planner.options.lock_timeout.unwrap_or(set.settings().lock_timeout),
            environment: &planner.options.environment,
            history,
            run: format!("(SELECT pg_catalog.max(id) {open_runs})"),
            open_runs,
            before: None,
        };
        writer.session("refit script");
        writer.lock(client).await?;
        let needed: &[Component] = match set.has_backfills() {
            true => &[Component::Runs, Component::Backfill],
            false => &[Component::Runs],
        };
        let present = Present::read(client, facts.state.schema()).await?;
        let upgrade = upgrade(&facts.state, &present, needed);
        let is_narrow =
            facts.history_is_narrow && newest.is_some_and(|newest| i32::try_from(newest).is_err());
        if upgrade.is_some() || is_new || is_narrow {
            writer.prepare(&upgrade.unwrap_or_default(), is_new, is_narrow);
        }
        Ok(writer)
    }

    pub(super) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.sql.push_str(&comment(text));
    }

    /// Refit's own settings for a session, whatever a text has changed.
    pub(super) fn session(&mut self, name: &str) {
        let pin = pin::pin_sql().replace(';', ";\n");
        let name = literal(name);
        self.push(&format!(
            "SET SESSION AUTHORIZATION DEFAULT;\nRESET ALL;\nRESET ROLE;\nSET client_encoding = 'UTF8';\n\
             SET application_name = {name};\n{pin}"
        ));
    }

    /// Takes the lock for the session, and proves that the history is the one of the plan.
    async fn lock(&mut self, client: &Client) -> Result<(), Error> {
        let table = &self.facts.history_table;
        let lock = self.facts.lock.all("pg_try_advisory_lock");
        let changed = match self.facts.relation {
            None => format!("pg_catalog.to_regclass({}) IS NOT NULL", literal(table)),
            Some(_) => {
                let rows = format!(
                    "(SELECT pg_catalog.hashtextextended(coalesce(pg_catalog.string_agg(pg_catalog.format('%s %s', version, checksum), ',' \
                     ORDER BY version), ''), 0) FROM {table})"
                );
                let found = client.query_one_boxed(&format!("SELECT {rows}"), &[]).await;
                let found: i64 = found.map_err(Error::database("reading the history"))?.get(0);
                format!("{rows} <> {found}")
            }
        };
        self.push(&block(&format!(
            "BEGIN\n    IF NOT ({lock}) THEN\n        RAISE EXCEPTION 'another session holds the migration lock; run the script later';\n    \
             END IF;\n    IF {changed} THEN\n        RAISE EXCEPTION 'the history has changed since this script was made; make it again';\n    \
             END IF;\nEND"
        )));
        Ok(())
    }

    fn prepare(&mut self, upgrade: &str, is_new: bool, is_narrow: bool) {
        let Preflight { history_table, relation, schema, state, .. } = self.facts;
        self.push("\n-- The history, and Refit's own records.\nBEGIN;\nSET LOCAL client_min_messages = warning;\nSET LOCAL lock_timeout = '5s';\n");
        if relation.is_none() {
            let create = <Session<'_> as AsyncMigrate>::assert_migrations_table_query(history_table);
            self.push(&format!("{create}\n"));
        }
        if is_narrow {
            self.push(&format!("ALTER TABLE {history_table} ALTER COLUMN version TYPE pg_catalog.int8;\n"));
        }
        self.push(&format!("{upgrade}\n"));
        if is_new {
            self.push(&state.registration(history_table, schema, relation.is_none()));
        }
        self.push("COMMIT;\n");
    }

    /// Records the beginning of a run; with `to`, of a rollback to that version.
    pub(super) fn begin_run(&mut self, planned: usize, to: Option<Version>) {
        let (schema, history) = (self.facts.state.quoted(), &self.history);
        let to = to.map_or("NULL".to_owned(), |to| to.to_string());
        self.push(&format!(
            "\n-- A run of {planned} steps.\nINSERT INTO {schema}.run (environment, refit_version, planned, undo_to, history_id) \
             VALUES ({}, {}, {planned}, {to}, {history});\n",
            literal(self.environment),
            literal(env!("CARGO_PKG_VERSION")),
        ));
        self.before = Some(format!("(SELECT pg_catalog.count(*) {}) <> 1", self.open_runs));
    }

    /// Records the end of the run.
    pub(super) fn end_run(&mut self) {
        let (schema, run, failed) = (self.facts.state.quoted(), &self.run, self.before.take());
        let failed = failed.unwrap_or_else(|| "false".to_owned());
        self.push(&format!(
            "\nUPDATE {schema}.run SET finished_at = pg_catalog.clock_timestamp(), outcome = 'succeeded' WHERE id = {run} AND NOT ({failed});\n"
        ));
    }

    /// Ends the script.
    pub(super) fn finish(mut self) -> String {
        let unlock = self.facts.lock.call("pg_advisory_unlock");
        self.push(&block(&format!("BEGIN\n    PERFORM {unlock};\nEND")));
        self.push("RESET ALL;\n");
        self.sql
    }

    pub(super) fn row<'s>(&self, step: &Step<'s>) -> StepRow<'s>
    where
        'a: 's,
    {
        StepRow {
            state: &self.facts.state,
            run: 0,
            kind: step.kind,
            version: step.version,
            name: step.name,
            file: step.file(),
            checksum: step.checksum,
            attempts: 1,
            lock_waits: None,
        }
    }

    pub(super) fn lock_timeout(&self, step: &Step<'_>) -> u128 {
        step.lock_timeout.unwrap_or(self.lock_timeout).as_millis()
    }

    /// A block that fails if another session holds the migration lock, or the step before was not applied; it then sets the
    /// settings of the texts, for the transaction or the session.
    pub(super) fn check(&self, is_local: bool) -> String {
        let lock = self.facts.lock.all(match is_local {
            true => "pg_try_advisory_xact_lock",
            false => "pg_try_advisory_lock",
        });
        let before = self.before.as_ref().map_or(String::new(), |before| {
            format!("    IF {before} THEN\n        RAISE EXCEPTION 'the step before was not applied';\n    END IF;\n")
        });
        block(&format!(
            "BEGIN\n    IF NOT ({lock}) THEN\n        RAISE EXCEPTION 'another session holds the migration lock';\n    END IF;\n{before}    \
             PERFORM {};\nEND",
            self.facts.caller.settings(is_local)
        ))
    }

    /// The records are written under Refit's settings, and the session holds the lock, whatever the text has changed.
    pub(super) fn after_text(&mut self, step: &Step<'_>) {
        self.session(&crate::application_name::step(step.stem));
        let clear = self.facts.clear_after(step.sql);
        self.push(&format!("SET LOCAL lock_timeout = '{}ms';\n{clear}", self.lock_timeout(step)));
        let retake = crate::lock::retake(self.facts);
        self.push(&block(&format!("BEGIN\n    PERFORM {retake};\nEND")));
    }

    /// A step that is one transaction. `record` is the part of its WITH that writes the history; `text` is what runs.
    pub(super) fn transaction(&mut self, step: &Step<'_>, text: &str, record: &str) {
        self.push("\n");
        self.comment(step.path);
        let name = literal(&crate::application_name::step(step.stem));
        let (timeout, check) = (self.lock_timeout(step), self.check(true));
        self.push(&format!(
            "BEGIN;\nDISCARD TEMP;\nSET LOCAL lock_timeout = '{timeout}ms';\nSET LOCAL application_name = {name};\n{check}"
        ));
        self.push(&format!("{}\n;\n", text.trim_end()));
        self.after_text(step);
        let insert = self.row(step).insert_succeeded_in(&self.run);
        self.push(&format!("WITH record AS ({record})\n{insert};\nCOMMIT;\n"));
        self.applied(step);
    }

    /// The next step requires that this one was applied.
    pub(super) fn applied(&mut self, step: &Step<'_>) {
        self.before = Some(format!(
            "NOT EXISTS (SELECT FROM {}.step WHERE {} AND outcome = 'succeeded')",
            self.facts.state.quoted(),
            self.is_step(step)
        ));
    }

    /// The condition for the rows of a step in this run.
    pub(super) fn is_step(&self, step: &Step<'_>) -> String {
        let version = step.version.map_or("NULL".to_owned(), |version| version.to_string());
        format!(
            "run_id = {} AND kind = '{}' AND version IS NOT DISTINCT FROM {version} AND name = {}",
            self.run,
            self.row(step).kind(),
            literal(step.name)
        )
    }

    /// The part of a step's WITH that inserts a migration into the history, as refinery does.
    pub(super) fn record_versioned(&self, step: &Step<'_>) -> String {
        format!(
            "INSERT INTO {} (version, name, applied_on, checksum) VALUES ({}, {}, \
             pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '{}')",
            self.facts.history_table,
            step.version.unwrap_or_default(),
            literal(step.name),
            step.checksum
        )
    }
}

/// Refuses records that only a run upgrades, or that cannot be read.
async fn refuse_old_state(client: &Client, facts: &Preflight) -> Result<(), Error> {
    let state = &facts.state;
    if state.is_unreadable() {
        let schema = state.schema();
        return Err(Error::Target(format!(
            "the role may not read schema {schema}; as its owner, GRANT USAGE ON SCHEMA {schema} and SELECT ON ALL TABLES IN \
             SCHEMA {schema}"
        )));
    }
    let is_old = state.is_stale() || outdated(client, state, &[Component::Runs, Component::Backfill]).await?;
    match is_old {
        true => Err(Error::Target(format!(
            "an older release wrote schema {}, and only a run upgrades it: `cargo xtask migrate`, with --to the newest applied \
             version if nothing is to be applied yet",
            state.schema()
        ))),
        false => Ok(()),
    }
}

/// An anonymous block of PL/pgSQL; its dollar quotes differ from those in the body.
pub(super) fn block(body: &str) -> String {
    let mut tag = "$refit$".to_owned();
    while body.contains(&tag) {
        tag.insert(1, '_');
    }
    format!("DO {tag}\n{body}\n{tag};\n")
}

//! Refit's state, in addition to refinery's history, in a separate schema: `refit`, or the one that `state_schema` names.
//!
//! Every row belongs to one history, so that several histories of a database are independent. Each component creates and upgrades
//! its own tables when it is first needed; the schema's comment records the version of each.

mod component;
mod expire;
mod run;

use std::borrow::Cow;
use std::sync::Arc;

use refit_model::Version;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

pub(crate) use component::{Component, Present, assign, outdated, upgrade};
pub(crate) use expire::{expire_check_results, expire_runs};
pub(crate) use run::{
    Earlier, RunBegin, RunEnd, StepDetails, StepRow, begin_run, begin_undo, end_run, fail_run, json,
};

use crate::error::Error;
use crate::queries::Queries;

/// The default state schema.
pub(crate) const DEFAULT_SCHEMA: &str = "refit";

/// The state of one history: the schema that holds it, and the history's id there.
///
/// [`Migrator::state`](crate::Migrator::state) finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Unquoted.
    schema: Arc<str>,
    /// Quoted.
    quoted: Arc<str>,
    history: Option<i64>,
    /// Whether its row in `refit.history` has an outdated table or schema.
    stale: bool,
    /// Whether the role may not read the schema.
    unreadable: bool,
}

/// Whether an object exists and is accessible to the current role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Readable,
    Unreadable,
    Absent,
}

impl State {
    /// The state of a history that has no records.
    pub(crate) fn empty(schema: &str) -> State {
        let quoted = postgres_protocol::escape::escape_identifier(schema);
        State { schema: schema.into(), quoted: quoted.into(), history: None, stale: false, unreadable: false }
    }

    /// Whether the schema has no records of the history.
    pub fn is_empty(&self) -> bool {
        self.history.is_none()
    }

    /// Whether a run has to update its row in `refit.history`.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// The schema's name, unquoted.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The schema's name, quoted.
    pub(crate) fn quoted(&self) -> &str {
        &self.quoted
    }

    /// The history's id in `refit.history`; 0, which no history has, if it has no row.
    pub(crate) fn history(&self) -> i64 {
        self.history.unwrap_or(0)
    }

    /// Refit's own SQL with `refit.` replaced by the state schema. Only for SQL of Refit's own.
    pub(crate) fn sql<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if &*self.schema == DEFAULT_SCHEMA {
            return Cow::Borrowed(text);
        }
        // In a literal, as in 'refit.history'::regclass, an apostrophe of the name is doubled.
        let literal = format!("'{}.", self.quoted.replace('\'', "''"));
        Cow::Owned(text.replace("'refit.", &literal).replace("refit.", &format!("{}.", self.quoted)))
    }

    /// Finds the state of the history whose table has this OID.
    ///
    /// A row of `refit.history` that was written in this database is identified by the table's OID: a schema that was dropped and
    /// recreated under its old name has another history; a renamed one has the same. Rows that were restored from a dump are
    /// identified by the schema's name.
    pub(crate) async fn find(
        client: &Client,
        schema: &str,
        relation: Option<u32>,
        schema_name: &str,
    ) -> Result<State, Error> {
        let empty = State::empty(schema);
        let Some(relation) = relation else { return Ok(empty) };
        crate::trust::refuse_untrusted_state(client, schema).await?;
        match empty.present(client, "history").await? {
            Presence::Readable => {}
            Presence::Unreadable => return Ok(State { unreadable: true, ..empty }),
            Presence::Absent => return Ok(empty),
        }
        let sql = empty.sql(FIND);
        let rows = client.query_boxed(&sql, &[(&relation, Type::OID), (&schema_name, Type::TEXT)]).await;
        let rows = rows.map_err(Error::database("looking for the state of the history"))?;
        Ok(match rows.first() {
            Some(row) => State { history: Some(row.get(0)), stale: row.get(1), ..empty },
            None => empty,
        })
    }

    /// Retires restored rows of the schema's name: a history whose table is new was not restored from a dump.
    pub(crate) async fn retire_restored(&self, client: &Client, schema_name: &str) -> Result<(), Error> {
        let sql = self.sql(RETIRE_RESTORED);
        let retired = client.execute_boxed(&sql, &[(&schema_name, Type::TEXT)]).await;
        retired.map(drop).map_err(Error::database("recording the history in the state"))
    }

    /// Records a history in the schema, or updates its row; the schema's tables must exist.
    ///
    /// Another history with that name is retired if its table no longer exists. If it exists, its schema was renamed: its row gives
    /// up the name, and its own next run records the new one.
    pub(crate) async fn register(
        &self,
        client: &Client,
        relation: u32,
        schema_name: &str,
    ) -> Result<State, Error> {
        let failed = || Error::database("recording the history in the state");
        let names: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&relation, Type::OID), (&schema_name, Type::TEXT)];
        let known = client.query_boxed(&self.sql(FIND), &names).await.map_err(failed())?;
        let known: Option<i64> = known.first().map(|row| row.get(0));
        let id = known.unwrap_or(0);
        let others: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&schema_name, Type::TEXT), (&id, Type::INT8)];
        client.execute_boxed(&self.sql(RELEASE_NAME), &others).await.map_err(failed())?;
        let history: i64 = match known {
            Some(id) => {
                let sql = "UPDATE refit.history SET relation = $2, schema_name = $3, \
                               registry = 'refit.history'::pg_catalog.regclass::pg_catalog.oid \
                           WHERE id = $1 AND (relation, schema_name, registry) IS DISTINCT FROM \
                               ($2, $3, 'refit.history'::pg_catalog.regclass::pg_catalog.oid)";
                let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
                    [(&id, Type::INT8), (&relation, Type::OID), (&schema_name, Type::TEXT)];
                client.execute_boxed(&self.sql(sql), &parameters).await.map_err(failed())?;
                id
            }
            None => {
                let sql = format!("{INSERT} RETURNING id");
                client.query_one_boxed(&self.sql(&sql), &names).await.map_err(failed())?.get(0)
            }
        };
        self.own_repeatables(client, history, relation).await.map_err(failed())?;
        Ok(State { history: Some(history), stale: false, ..self.clone() })
    }

    /// Makes the repeatable migrations of this history, and of no other, refer to its table's OID.
    async fn own_repeatables(
        &self,
        client: &Client,
        history: i64,
        relation: u32,
    ) -> Result<(), tokio_postgres::Error> {
        let own: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&history, Type::INT8), (&relation, Type::OID)];
        client.execute_boxed(&self.sql(OWN_REPEATABLES), &own).await.map(drop)
    }

    /// Whether the role may not read the state.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Whether the schema has a table of that name that the role may read.
    pub(crate) async fn has(&self, client: &Client, table: &str) -> Result<bool, Error> {
        Ok(self.present(client, table).await? == Presence::Readable)
    }

    /// Whether the schema has a table of that name to which the role may append.
    pub(crate) async fn may_append(&self, client: &Client, table: &str) -> Result<bool, Error> {
        let sql = "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'INSERT') \
                   FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) relnamespace \
                   WHERE nspname::pg_catalog.text OPERATOR(pg_catalog.=) $1 AND relname::pg_catalog.text OPERATOR(pg_catalog.=) $2";
        let rows = client.query_boxed(sql, &[(&&*self.schema, Type::TEXT), (&table, Type::TEXT)]).await;
        Ok(rows.map_err(Error::database("looking for the state"))?.first().is_some_and(|row| row.get(0)))
    }

    /// Reads the catalog, since functions such as `to_regclass` fail if the role may not use the schema.
    async fn present(&self, client: &Client, table: &str) -> Result<Presence, Error> {
        let sql = "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
                   FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
                   WHERE nspname::pg_catalog.text = $1 AND relname::pg_catalog.text = $2";
        let rows = client.query_boxed(sql, &[(&&*self.schema, Type::TEXT), (&table, Type::TEXT)]).await;
        Ok(match rows.map_err(Error::database("looking for the state"))?.first() {
            Some(row) if row.get(0) => Presence::Readable,
            Some(_) => Presence::Unreadable,
            None => Presence::Absent,
        })
    }
}

impl State {
    /// SQL that records a history in the schema as [`State::register`] does, for a script: `table` is the history's table, and with
    /// `created` it was just created, so that it is in no restored dump.
    pub(crate) fn registration(&self, table: &str, schema_name: &str, created: bool) -> String {
        let relation = format!("{}::pg_catalog.regclass::pg_catalog.oid", literal(table));
        let name = literal(schema_name);
        let mut sql = Vec::new();
        if created {
            sql.push(with_values(RETIRE_RESTORED, &[&name]));
        }
        sql.push(with_values(RELEASE_NAME, &[&name, "0"]));
        sql.push(with_values(INSERT, &[&relation, &name]));
        let history = self.registered(table);
        sql.push(with_values(OWN_REPEATABLES, &[&history, &relation]));
        sql.iter().map(|sql| format!("{};\n", self.sql(sql))).collect()
    }

    /// An expression for the id of a history that a script records.
    pub(crate) fn registered(&self, table: &str) -> String {
        format!(
            "(SELECT id FROM {}.history WHERE relation = {}::pg_catalog.regclass::pg_catalog.oid AND retired_at IS NULL)",
            self.quoted,
            literal(table)
        )
    }
}

fn literal(text: &str) -> String {
    postgres_protocol::escape::escape_literal(text)
}

/// SQL of Refit's own with expressions instead of its parameters, of which it has at most nine.
fn with_values(sql: &str, values: &[&str]) -> String {
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(part.len().min(1));
        let value = number.parse::<usize>().ok().and_then(|number| values.get(number.checked_sub(1)?));
        match value {
            Some(value) => text.push_str(value),
            None => text.extend(["$", number]),
        }
        text.push_str(rest);
    }
    text
}

const RETIRE_RESTORED: &str = "UPDATE refit.history SET retired_at = pg_catalog.now() WHERE schema_name = $1 AND retired_at IS NULL \
         AND registry <> 'refit.history'::pg_catalog.regclass::pg_catalog.oid";

const INSERT: &str = "INSERT INTO refit.history (relation, schema_name, registry) \
                      VALUES ($1, $2, 'refit.history'::pg_catalog.regclass::pg_catalog.oid)";

const OWN_REPEATABLES: &str = "UPDATE refit.repeatable SET relation = CASE WHEN history_id = $1 THEN $2 END \
                               WHERE (history_id = $1) IS DISTINCT FROM (relation = $2)";

const FIND: &str = "SELECT id, (relation, schema_name, registry) IS DISTINCT FROM \
                        ($1, $2, 'refit.history'::pg_catalog.regclass::pg_catalog.oid) \
                    FROM refit.history WHERE retired_at IS NULL AND CASE registry \
                        WHEN 'refit.history'::pg_catalog.regclass::pg_catalog.oid THEN relation = $1 \
                        ELSE schema_name = $2 END \
                    ORDER BY id DESC LIMIT 1";

const RELEASE_NAME: &str = "UPDATE refit.history AS other SET \
        retired_at = CASE WHEN renamed.oid IS NULL THEN pg_catalog.now() END, \
        schema_name = CASE WHEN renamed.oid IS NULL THEN other.schema_name \
            ELSE pg_catalog.format('%s (renamed, history %s)', other.schema_name, other.id) END \
    FROM (SELECT id, (SELECT oid FROM pg_catalog.pg_class WHERE oid = relation \
              AND registry = 'refit.history'::pg_catalog.regclass::pg_catalog.oid) AS oid FROM refit.history) AS renamed \
    WHERE renamed.id = other.id AND other.schema_name = $1 AND other.retired_at IS NULL AND other.id <> $2";

/// Whether a relation with that name, qualified and quoted, exists.
pub(crate) async fn exists(client: &Client, relation: &str) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    let row = client.query_one_boxed(sql, &[(&relation, Type::TEXT)]).await;
    Ok(row.map_err(Error::database("looking for the state"))?.get(0))
}

/// The state of a backfill, as gates need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackfillState {
    /// Its rows are done.
    Complete,
    /// It is registered, running, paused, failed or canceled.
    Unfinished,
    /// It is rolled back, or its rollback has begun.
    Undone,
}

/// A step outside a transaction that needs an operator's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndecidedStep {
    /// The version; none for a repeatable migration.
    pub version: Option<Version>,
    /// The name without version.
    pub name: String,
    /// The statement, counted without those that only change the session.
    pub statement: usize,
}

/// Whether an older release wrote the state of a set with backfills.
pub(crate) async fn is_outdated(client: &Client, state: &State) -> Result<bool, Error> {
    Ok(!state.is_unreadable() && outdated(client, state, &[Component::Runs, Component::Backfill]).await?)
}

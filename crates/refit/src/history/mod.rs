//! Reads the history: if nothing is to be done, a single SELECT of a digest is enough.

pub(crate) mod checksum;
mod digest;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

use refit_model::{HistoryDigest, MigrationSet, SetStep, Version};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use digest::{Found, digests};

use crate::error::Error;
use crate::options::Options;
use crate::pin::Caller;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::state::{BackfillState, Component, State, UndecidedStep, outdated};

/// What has been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// Versioned migrations, ordered by version.
    pub versioned: Vec<HistoryRow>,
    /// Repeatable migrations with the checksum of their last run.
    pub repeatable: Vec<HistoryRow>,
    /// Texts of repeatable migrations that newer texts replaced.
    pub superseded: Vec<HistoryRow>,
    /// The state of the newest backfill job of each version, as far as jobs are recorded.
    pub backfills: BTreeMap<Version, BackfillState>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
    /// Steps outside a transaction with a statement that has begun and may not be sent again.
    pub undecided: Vec<UndecidedStep>,
    /// Schemas with a history that this session may write, if its search path finds none.
    pub elsewhere: Vec<String>,
    /// Whether an older release of Refit wrote the state, so that a run has to upgrade it first.
    pub outdated: bool,
    /// The schema in which the session creates objects, if it is known.
    pub(crate) current_schema: Option<String>,
}

impl History {
    /// The history of a database on which the whole set is applied.
    pub(crate) fn of(set: &MigrationSet, environment: &str) -> History {
        let row = |version, name: &str, checksum| HistoryRow { version, name: name.to_owned(), checksum };
        let mut history = History::default();
        for step in set.steps_in(environment, None) {
            match step {
                SetStep::Versioned(m) => history.versioned.push(row(m.version, &m.name, m.checksum)),
                SetStep::Repeatable(r) => history.repeatable.push(row(0, &r.name, r.checksum)),
            }
        }
        history
    }
}

/// The checksum of a history row while the down file of its migration runs statement by statement. An interrupted rollback leaves
/// it, and only another rollback can continue.
pub(crate) const UNDOING: u64 = 0;

/// Its checksum before that, while the rows of its backfill are restored.
pub(crate) const RESTORING: u64 = 1;

/// One migration that has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryRow {
    /// The version; 0 for a repeatable migration.
    pub version: Version,
    /// The name without version.
    pub name: String,
    /// refinery's checksum.
    pub checksum: u64,
}

/// What the history is compared with: the digest that the build embedded, and the set for when they differ.
pub(crate) struct Expected<'a> {
    pub(crate) digest: HistoryDigest,
    pub(crate) set: &'a (dyn Fn() -> Result<Arc<MigrationSet>, Error> + Sync),
}

/// The result of reading the history.
#[derive(Debug)]
pub(crate) enum HistoryState {
    /// The history is the expected one.
    Same,
    /// It differs.
    Different(Box<History>),
}

/// Maximum attempts if tables are created or dropped during the read.
const LOOKS: u32 = 5;

/// Compares the history with the expected one, on the caller's session.
///
/// Takes one round trip if they are the same: the server adds up hashes of the checksums, and the sum is compared with the embedded
/// one. A checksum covers version, name and text, so equal sums mean equal histories. Otherwise the rows are read. A table that
/// does not exist is an empty history.
pub(crate) async fn history_state(
    client: &Client,
    options: &Options,
    expected: &Expected<'_>,
) -> Result<HistoryState, Error> {
    let table = options.history_table();
    for _ in 0..LOOKS {
        let found = match digests(client, options, &table, expected, false).await? {
            Found::Same => return Ok(HistoryState::Same),
            found => found,
        };
        let caller = Caller::pin_locally(client, &table).await?;
        let read = Reading {
            client,
            options,
            expected,
            caller: Some(&caller),
            current_schema: caller.current_schema.as_ref(),
            relation: caller.relation,
        };
        let found = read.history_state(found).await;
        caller.unpin(client).await;
        if let Some(state) = found? {
            return Ok(state);
        }
    }
    Err(Error::History("its tables exist but cannot be read; check that they are not views".to_owned()))
}

/// The same on a pinned session, with the qualified name of the history.
pub(crate) async fn history_state_pinned(
    client: &Client,
    options: &Options,
    facts: &Preflight,
    expected: &Expected<'_>,
) -> Result<HistoryState, Error> {
    for _ in 0..LOOKS {
        let found = match digests(client, options, &facts.history_table, expected, false).await? {
            Found::Same => return Ok(HistoryState::Same),
            found => found,
        };
        let relation = relation(client, &facts.history_table).await?;
        let current_schema = facts.caller.current_schema.as_ref();
        let read = Reading { client, options, expected, caller: None, current_schema, relation };
        if let Some(state) = read.history_state(found).await? {
            return Ok(state);
        }
    }
    Err(Error::History("its tables exist but cannot be read; check that they are not views".to_owned()))
}

/// The OID of a table by its qualified name.
pub(crate) async fn relation(client: &Client, table: &str) -> Result<Option<u32>, Error> {
    let sql = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
    let row = client.query_one_boxed(sql, &[(&table, Type::TEXT)]).await;
    Ok(row.map_err(Error::database("looking for the history"))?.get(0))
}

/// Reads a history that is not the expected one, on a pinned session.
struct Reading<'a> {
    client: &'a Client,
    options: &'a Options,
    expected: &'a Expected<'a>,
    /// The caller's session, if the history was searched on its search path.
    caller: Option<&'a Caller>,
    current_schema: Option<&'a String>,
    relation: Option<u32>,
}

impl Reading<'_> {
    /// None if a table was dropped during the read.
    fn history_state(&self, found: Found) -> BoxFuture<'_, Result<Option<HistoryState>, Error>> {
        self.state_if_stable(found).boxed()
    }

    async fn state_if_stable(&self, found: Found) -> Result<Option<HistoryState>, Error> {
        let found = match found {
            Found::Unknown => self.trusted_digests().await?,
            found => found,
        };
        match found {
            Found::Same => Ok(Some(HistoryState::Same)),
            _ => Ok(self.history().await?.map(|history| HistoryState::Different(Box::new(history)))),
        }
    }

    /// Reads the digests of tables of another role, once that role is known to be trusted. Tables that do not exist or may not be
    /// read are skipped, so the current transaction does not fail.
    async fn trusted_digests(&self) -> Result<Found, Error> {
        let Some(relation) = self.relation else { return Ok(Found::Unknown) };
        crate::trust::refuse_untrusted(self.client, Some(relation)).await?;
        let Some((table, _)) = self.table(relation).await? else { return Ok(Found::Unknown) };
        let schema = self.options.state_schema();
        if self.expected.digest.repeatable.is_some() {
            crate::trust::refuse_untrusted_state(self.client, schema).await?;
            let state = State::empty(schema);
            for table in ["history", "repeatable"] {
                if !state.has(self.client, table).await? {
                    return Ok(Found::Unknown);
                }
            }
            if outdated(self.client, &state, &[Component::Runs]).await? {
                return Ok(Found::Unknown);
            }
        }
        let may = "SELECT pg_catalog.has_table_privilege($1, 'SELECT') AND pg_catalog.has_schema_privilege(relnamespace, 'USAGE') \
                   FROM pg_catalog.pg_class WHERE oid = $1";
        let rows = self.client.query_boxed(may, &[(&relation, Type::OID)]).await;
        match rows.map_err(Error::database("looking for the history"))?.first() {
            Some(row) if row.get(0) => digests(self.client, self.options, &table, self.expected, true).await,
            _ => Ok(Found::Unknown),
        }
    }

    async fn history(&self) -> Result<Option<History>, Error> {
        let Some(relation) = self.relation else {
            let elsewhere = self.elsewhere().await?;
            // Another run has created it on the search path since then: read again.
            let here = self.caller.and_then(|caller| caller.current_schema.as_ref());
            if here.is_some_and(|schema| elsewhere.contains(schema)) {
                return Ok(None);
            }
            let current_schema = self.current_schema.cloned();
            return Ok(Some(History { elsewhere, current_schema, ..History::default() }));
        };
        crate::trust::refuse_untrusted(self.client, Some(relation)).await?;
        let Some((table, schema)) = self.table(relation).await? else { return Ok(None) };
        let set = (self.expected.set)()?;
        let Some(versioned) = self.rows(&table).await? else { return Ok(None) };
        let current_schema = self.current_schema.cloned();
        let mut history = History { versioned, current_schema, ..History::default() };
        let schema_name = self.options.state_schema();
        let state = State::find(self.client, schema_name, Some(relation), &schema).await?;
        if state.is_unreadable() {
            let schema = self.options.state_schema();
            history.warnings.push(format!(
                "the role may not read schema {schema}, so migrations that a backfill holds back and applied repeatable \
                 migrations are unknown; as its owner, GRANT USAGE ON SCHEMA {schema} and SELECT ON ALL TABLES IN SCHEMA {schema}"
            ));
            return Ok(Some(history));
        }
        if state.is_empty() {
            history.outdated = outdated(self.client, &state, &[Component::Runs]).await?;
            return Ok(Some(history));
        }
        history.outdated = state.is_stale();
        self.repeatables(&state, &mut history).await?;
        if set.migrations().iter().any(|migration| !migration.directives.after.is_empty()) {
            history.backfills = crate::backfill::engine::states(self.client, &state).await?;
        }
        let alone = set.migrations().iter().map(|migration| &migration.directives);
        if alone
            .chain(set.repeatables().iter().map(|repeatable| &repeatable.directives))
            .any(|d| !d.transaction)
        {
            history.undecided = crate::exec::by_statement::undecided(self.client, &state).await?;
        }
        Ok(Some(history))
    }

    /// The qualified name of the history's table, and its schema.
    async fn table(&self, relation: u32) -> Result<Option<(String, String)>, Error> {
        let sql = "SELECT pg_catalog.format('%I.%I', nspname, relname), nspname::pg_catalog.text, \
                          pg_catalog.row_security_active(c.oid) \
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace WHERE c.oid = $1";
        let rows = self.client.query_boxed(sql, &[(&relation, Type::OID)]).await;
        let rows = rows.map_err(Error::database("looking for the history"))?;
        let Some(row) = rows.first() else { return Ok(None) };
        match row.get(2) {
            true => Err(Error::RowSecurity { table: row.get(0) }),
            false => Ok(Some((row.get(0), row.get(1)))),
        }
    }

    async fn rows(&self, table: &str) -> Result<Option<Vec<HistoryRow>>, Error> {
        let sql = format!("SELECT version::pg_catalog.int8, name, checksum FROM {table} ORDER BY version");
        match self.client.query_boxed(&sql, &[]).await {
            Ok(rows) => {
                rows.iter().filter_map(|row| read(row).transpose()).collect::<Result<_, _>>().map(Some)
            }
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
            Err(error) => Err(Error::database("reading the history")(error)),
        }
    }

    async fn repeatables(&self, state: &State, history: &mut History) -> Result<(), Error> {
        let sql = "SELECT 0::pg_catalog.int8 AS version, name, checksum, current FROM refit.repeatable \
                   WHERE history_id = $1 ORDER BY name COLLATE \"C\", applied_at";
        let rows = self.client.query_boxed(&state.sql(sql), &[(&state.history(), Type::INT8)]).await;
        for row in rows.map_err(Error::database("reading the repeatable migrations"))? {
            let Some(read) = read(&row)? else { continue };
            let current: bool = row.get("current");
            if current { history.repeatable.push(read) } else { history.superseded.push(read) }
        }
        Ok(())
    }

    /// Histories outside the search path, unless this connection set the path itself: the path of the role or database may have
    /// changed, or an operator's may differ from the service's.
    async fn elsewhere(&self) -> Result<Vec<String>, Error> {
        let own_path = self.caller.is_some_and(|caller| {
            !matches!(caller.search_path_source.as_str(), "session" | "client" | "interactive")
        });
        if self.options.history_schema().is_some() || !own_path {
            return Ok(Vec::new());
        }
        let sql = "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
                   WHERE relname = 'refinery_schema_history' AND relkind IN ('r', 'p') AND nspname NOT LIKE 'pg\\_%' \
                     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                     AND pg_catalog.has_table_privilege(c.oid, 'INSERT') ORDER BY nspname";
        let rows = self.client.query_boxed(sql, &[]).await;
        let rows = rows.map_err(Error::database("looking for another history"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Widens the version column of a history from 32 to 64 bits, if a pending version does not fit.
pub(crate) async fn widen(
    client: &Client,
    facts: &Preflight,
    to_come: impl Iterator<Item = Version>,
) -> Result<(), Error> {
    if !facts.history_is_narrow || to_come.max().is_none_or(|newest| i32::try_from(newest).is_ok()) {
        return Ok(());
    }
    // Every boot reads the history, and would queue behind this statement while it waits for a reader.
    let sql = format!(
        "BEGIN;SET LOCAL lock_timeout = '5s';ALTER TABLE {} ALTER COLUMN version TYPE pg_catalog.int8;COMMIT",
        facts.history_table
    );
    let widened = client.batch_execute_boxed(&sql).await;
    if widened.is_err() {
        client.batch_execute_boxed("ROLLBACK").await.ok();
    }
    widened.map_err(Error::database("widening the versions of the history"))
}

fn read(row: &Row) -> Result<Option<HistoryRow>, Error> {
    let Some(version) = row.get::<_, Option<Version>>("version") else { return Ok(None) };
    let name: String = row.get::<_, Option<String>>("name").unwrap_or_default();
    let checksum = row.get::<_, Option<String>>("checksum").unwrap_or_default();
    let checksum = checksum.parse().map_err(|_| {
        Error::History(format!(
            "version {version} ({name}) has the checksum {checksum:?}, which is not a number; `cargo xtask adopt` converts \
             histories of other tools"
        ))
    })?;
    Ok(Some(HistoryRow { version, name, checksum }))
}

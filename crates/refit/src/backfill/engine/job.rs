//! Jobs in `refit.backfill`: registration, reading, and ending.

use std::time::Duration;

use refit_model::redact::Secrets;
use refit_model::{BackfillDirective, MAX_WORKERS, Migration, Version, split_statements};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::key::literal;
use super::shape::Shape;
use crate::error::Error;
use crate::pin::local_search_path;
use crate::queries::Queries;
use crate::state::BackfillState;
use crate::state::State;

/// A backfill that is registered in a database.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The state in which it is registered.
    pub(crate) state_schema: State,
    pub(crate) id: i64,
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) statement: String,
    /// Its table is the one that was resolved at registration, qualified and quoted.
    pub(crate) directive: BackfillDirective,
    /// The search path of its statement and of the SQL in its directive.
    pub(crate) search_path: String,
    pub(crate) state: String,
    pub(crate) requested: String,
    pub(crate) remaining: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) journal: Option<String>,
    /// Whether it has ever begun, so that its ranges are cut.
    pub(crate) begun: bool,
    /// The OID of its table, and those of its statements' targets once it has begun: 0 for a statement without one.
    pub(crate) relation: Option<u32>,
    pub(crate) targets: Option<Vec<u32>>,
}

/// The direction of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It runs the statement of its migration.
    Forward,
    /// It restores the values that a forward job overwrote.
    Undo,
}

const COLUMNS: &str = "id, version, name, statement, directive, state, requested, remaining, error, journal, kind, \
                       started_at IS NOT NULL, search_path, relation, relation_oid, targets";

/// The newest job of each version: the one that counts.
const NEWEST: &str =
    "SELECT DISTINCT ON (version) * FROM refit.backfill WHERE history_id = $1 ORDER BY version, id DESC";

/// Whether a backfill `b` was registered by a run `run` of its history.
pub(crate) const REGISTERED_IN: &str =
    "b.registered_at BETWEEN run.started_at AND coalesce(run.finished_at, 'infinity')";

impl Job {
    /// The run that registered it; none if its record has expired, or the role may not read the records of runs.
    pub(crate) async fn registered_by(&self, client: &Client) -> Result<Option<i64>, Error> {
        if !self.state_schema.has(client, "run").await? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT run.id FROM refit.backfill b JOIN refit.run ON run.history_id = b.history_id AND {REGISTERED_IN} \
             WHERE b.id = $1 ORDER BY run.id DESC LIMIT 1"
        );
        let rows = client.query_typed(&self.state_schema.sql(&sql), &[(&self.id, Type::INT8)]).await;
        let rows = rows.map_err(Error::database("reading the run of a backfill"))?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    fn read(state: &State, row: &Row) -> Result<Job, Error> {
        let directive: String = row.get(4);
        let directive: BackfillDirective = serde_json::from_str(&directive).map_err(|error| {
            let name: String = row.get(2);
            Error::Internal(format!(
                "the directive of the backfill {name} cannot be read ({error}): a newer release registered it"
            ))
        })?;
        // Older releases did not limit the number.
        let workers = directive.workers.clamp(1, MAX_WORKERS);
        let mut job = Job {
            state_schema: state.clone(),
            search_path: row.get::<_, Option<String>>(12).unwrap_or_else(|| "pg_catalog".to_owned()),
            id: row.get(0),
            version: row.get(1),
            name: row.get(2),
            statement: row.get(3),
            directive: BackfillDirective { workers, ..directive },
            state: row.get(5),
            requested: row.get(6),
            remaining: row.get(7),
            error: row.get(8),
            journal: row.get(9),
            kind: if row.get::<_, String>(10) == "undo" { Kind::Undo } else { Kind::Forward },
            begun: row.get(11),
            relation: row.get(14),
            targets: row.get(15),
        };
        if let Some(relation) = row.get(13) {
            job.directive.table = relation;
        }
        Ok(job)
    }

    /// The job that applying a migration with this text under a search path would register.
    pub(crate) fn unregistered(
        state: &State,
        search_path: &str,
        (version, name): (Version, &str),
        statement: &str,
        directive: BackfillDirective,
    ) -> Job {
        Job {
            state_schema: state.clone(),
            search_path: search_path.to_owned(),
            id: 0,
            version,
            name: name.to_owned(),
            kind: Kind::Forward,
            statement: statement.to_owned(),
            directive,
            state: "registered".to_owned(),
            requested: "run".to_owned(),
            remaining: None,
            error: None,
            journal: None,
            begun: false,
            relation: None,
            targets: None,
        }
    }

    /// The job that applying a migration would register; none if it is not a backfill.
    pub(crate) fn of_migration(state: &State, search_path: &str, migration: &Migration) -> Option<Job> {
        let directive = migration.directives.backfill.clone()?;
        let named = (migration.version, &*migration.stem);
        Some(Job::unregistered(state, search_path, named, &migration.sql, directive))
    }

    pub(crate) fn is_undo(&self) -> bool {
        self.kind == Kind::Undo
    }

    /// The jobs of a history that are not complete, in the order of their versions, without those that are being undone.
    pub(crate) async fn unfinished(client: &Client, state: &State) -> Result<Vec<Job>, Error> {
        Job::newest(client, state, "state <> 'complete' AND kind = 'forward'").await
    }

    /// An undo job that is not complete.
    pub(crate) async fn unfinished_undo(client: &Client, state: &State) -> Result<Option<Job>, Error> {
        let jobs = Job::newest(client, state, "state <> 'complete' AND kind = 'undo'").await?;
        Ok(jobs.into_iter().next())
    }

    /// The newest job of a version.
    pub(crate) async fn of(client: &Client, state: &State, version: Version) -> Result<Option<Job>, Error> {
        let jobs = Job::newest(client, state, &format!("version = {version}")).await?;
        Ok(jobs.into_iter().next())
    }

    /// The newest jobs of the history's versions that meet a condition, in the order of the versions.
    async fn newest(client: &Client, state: &State, condition: &str) -> Result<Vec<Job>, Error> {
        if state.is_empty() || !state.has(client, "backfill").await? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {COLUMNS} FROM ({NEWEST}) AS newest WHERE {condition} ORDER BY version");
        let rows = client.query_boxed(&state.sql(&sql), &[(&state.history(), Type::INT8)]).await;
        let rows = rows.map_err(Error::database("reading the backfills"))?;
        rows.iter().map(|row| Job::read(state, row)).collect()
    }

    /// Refit's own SQL, with the schema in which the job is registered.
    pub(crate) fn sql<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        self.state_schema.sql(text)
    }

    /// The job's current state.
    pub(crate) async fn again(&self, client: &Client) -> Result<Job, Error> {
        let sql = format!("SELECT {COLUMNS} FROM refit.backfill WHERE id = $1");
        let rows = client.query_boxed(&self.sql(&sql), &[(&self.id, Type::INT8)]).await;
        match rows.map_err(Error::database("reading a backfill"))?.first() {
            Some(row) => Job::read(&self.state_schema, row),
            None => Err(Error::Internal(format!("the backfill {} is no longer registered", self.name))),
        }
    }

    /// How long a statement of a batch may take.
    pub(crate) fn limit(&self) -> Duration {
        (self.directive.target() * 20).max(Duration::from_secs(1))
    }

    /// Ends the job, completely or for now.
    pub(crate) async fn end(&self, client: &Client, state: &str, error: Option<&str>) -> Result<(), Error> {
        let error = error.map(|error| self.redact(error));
        let sql = "UPDATE refit.backfill SET state = $2, error = $3, throttle = NULL, rows_per_second = NULL, \
                       finished_at = pg_catalog.clock_timestamp() WHERE id = $1 AND state IN ('registered', 'running')";
        client
            .execute_boxed(
                &self.sql(sql),
                &[(&self.id, Type::INT8), (&state, Type::TEXT), (&error, Type::TEXT)],
            )
            .await
            .map_err(Error::database("closing a backfill"))?;
        Ok(())
    }

    /// The error of a job that did not complete.
    pub(crate) fn failure(&self, reason: impl Into<String>) -> Error {
        Error::Backfill {
            version: self.version,
            stem: self.name.clone(),
            reason: self.redact(&reason.into()),
        }
    }

    /// A text about this job that is safe to show and record: the secrets of its statement redacted, control characters escaped.
    pub(crate) fn redact(&self, text: &str) -> String {
        refit_model::visible(&self.secrets().redact(text)).into_owned()
    }

    /// The secrets in its statement and in the SQL of its directive.
    pub(crate) fn secrets(&self) -> Secrets {
        let directive = [&self.remaining, &self.directive.remaining, &self.directive.throttle];
        let texts: Vec<&str> = directive.into_iter().flatten().map(String::as_str).collect();
        Secrets::of(&format!("{};\n{}", self.statement, texts.join(";\n")))
    }
}

/// The state of the newest job of each version.
pub(crate) async fn states(
    client: &Client,
    state: &State,
) -> Result<std::collections::BTreeMap<Version, BackfillState>, Error> {
    if state.is_empty() || !state.has(client, "backfill").await? {
        return Ok(std::collections::BTreeMap::new());
    }
    let sql = format!("SELECT version, state, kind FROM ({NEWEST}) AS newest");
    let rows = client.query_boxed(&state.sql(&sql), &[(&state.history(), Type::INT8)]).await;
    let rows = rows.map_err(Error::database("reading the backfills"))?;
    let read = |row: &Row| {
        let (stands, kind): (String, String) = (row.get(1), row.get(2));
        let stands = match (kind.as_str(), stands.as_str()) {
            ("forward", "complete") => BackfillState::Complete,
            ("forward", _) => BackfillState::Unfinished,
            _ => BackfillState::Undone,
        };
        (row.get(0), stands)
    };
    Ok(rows.iter().map(read).collect())
}

/// Refuses a backfill whose text alone shows that its batches would overlap, before it is registered.
///
/// # Errors
/// [`Error::Backfill`], with what to do.
pub(crate) fn can_begin(migration: &Migration) -> Result<(), Error> {
    let state = State::empty(crate::state::DEFAULT_SCHEMA);
    let Some(job) = Job::of_migration(&state, "pg_catalog", migration) else { return Ok(()) };
    if split_statements(&job.statement).is_empty() {
        return Ok(());
    }
    Shape::of(&job.statement, &job.directive).map(drop).map_err(|reason| job.failure(reason))
}

/// The SQL that registers a migration's backfill: its step runs this instead of its text, under the caller's search path. Its names
/// are resolved here, once for all workers.
pub(crate) fn registration(state: &State, migration: &Migration, directive: &BackfillDirective) -> String {
    registration_in(state, &state.history().to_string(), migration, directive)
}

/// The same for a history whose id is an SQL expression.
pub(crate) fn registration_in(
    state: &State,
    history: &str,
    migration: &Migration,
    directive: &BackfillDirective,
) -> String {
    let json = serde_json::to_string(directive).unwrap_or_default();
    format!(
        "INSERT INTO {}.backfill (history_id, version, name, statement, directive, remaining, search_path, relation_oid, schema_oid, relation) \
         SELECT {history}, {}, {}, {}, {}, {}, {SEARCH_PATH}, c.oid, n.oid, CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname) END \
         FROM (SELECT pg_catalog.to_regclass({})::pg_catalog.oid AS oid) AS named \
             LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) named.oid \
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace",
        state.quoted(),
        migration.version,
        literal(&migration.stem),
        literal(&migration.sql),
        literal(&json),
        directive.remaining.as_deref().map_or("NULL".to_owned(), literal),
        literal(&directive.table),
    )
}

/// SQL that assigns the jobs of releases that had a single history to this one, and resolves their names under a search path.
pub(crate) fn adopt_jobs(state: &State, search_path: &str) -> String {
    format!(
        "{}UPDATE {}.backfill SET history_id = {}, search_path = {SEARCH_PATH}, (relation_oid, schema_oid, relation) = \
             (SELECT c.oid, n.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
              WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass( \
                  directive::pg_catalog.jsonb OPERATOR(pg_catalog.->>) 'table'::pg_catalog.text)::pg_catalog.oid) \
         WHERE history_id IS NULL;SET LOCAL search_path = pg_catalog, pg_temp;",
        local_search_path(search_path),
        state.quoted(),
        state.history()
    )
}

/// The existing schemas of the search path, as a search path: `\"$user\"` would be another schema for another role.
const SEARCH_PATH: &str = "coalesce((SELECT pg_catalog.string_agg(pg_catalog.quote_ident(path.name::pg_catalog.text), \
    ', '::pg_catalog.text ORDER BY path.number) \
    FROM ROWS FROM (pg_catalog.unnest(pg_catalog.current_schemas(false))) WITH ORDINALITY AS path (name, number)), 'pg_catalog')";

/// Whether a backfill can run again without changing rows that are done: its condition finds the remaining ones.
pub(crate) fn is_repeatable(migration: &Migration) -> bool {
    let Some(directive) = &migration.directives.backfill else { return false };
    directive.remaining.is_some()
        || Shape::of(&migration.sql, directive)
            .is_ok_and(|shape| shape.parts.iter().all(|part| part.guard.is_some()))
}

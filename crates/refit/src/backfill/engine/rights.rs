//! Roles that lack privileges for a backfill: which ones, and how to grant them. The job stays for roles that have them.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::failed::Failed;
use super::failure_class::FailureClass;
use super::job::Job;
use super::path;
use super::shape::Shape;
use super::shape::tokens::{Tokens, unquoted};
use crate::error::Error;
use crate::state::State;

/// The privileges on Refit's own tables that every job needs.
const STATE: [(&str, &[&str]); 4] = [
    ("refit.history", &["SELECT"]),
    ("refit.backfill", &["SELECT", "UPDATE"]),
    ("refit.backfill_range", &["SELECT", "INSERT", "UPDATE"]),
    ("refit.backfill_error", &["SELECT", "INSERT", "UPDATE"]),
];

/// The outcome of work on a job; if the role lacks privileges, the error names them.
pub(in crate::backfill) async fn explained<T>(
    client: &Client,
    state: &State,
    job: Option<&Job>,
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    match outcome {
        Err(Error::Database { source, doing }) if is_privilege_error(&source) => {
            let doing = job.map_or(doing.to_owned(), named);
            Err(explained_as(doing, client, state, job, &Failed::from(source.into_driver())).await)
        }
        outcome => outcome,
    }
}

/// The error of a role that may not read the list of jobs.
pub(in crate::backfill) async fn unreadable(client: &Client, state: &State) -> Error {
    let refused = Failed::new("42501", format!("permission denied for schema {}", state.schema()));
    explained_as("reading the backfills".to_owned(), client, state, None, &refused).await
}

/// Whether an error means that the session's role lacks a privilege.
pub(in crate::backfill) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Forbidden { .. }) || FailureClass::of_error(error) == Some(FailureClass::Forbidden)
}

fn is_privilege_error(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| FailureClass::of(&Failed::new(code.code(), "")) == FailureClass::Forbidden)
}

/// The error of a role that lacks privileges for a job.
pub(in crate::backfill) async fn explain(client: &Client, job: &Job, failed: &Failed) -> Error {
    explained_as(named(job), client, &job.state_schema, Some(job), failed).await
}

fn named(job: &Job) -> String {
    format!("backfill {}", job.name)
}

async fn explained_as(
    doing: String,
    client: &Client,
    state: &State,
    job: Option<&Job>,
    failed: &Failed,
) -> Error {
    let (role, mut missing) = missing(client, state, job).await.unwrap_or_default();
    if let Some((grant, object)) = denied(&failed.message)
        && !missing.iter().any(|grant| grant.ends_with(object))
    {
        // The server's message leaves out the schema, which the statement may name.
        let schema = job.and_then(|job| schema_of(&job.statement, object));
        missing.push(format!("{grant} {}{object}", schema.unwrap_or_default()));
    }
    let hint = match (missing.is_empty(), role.is_empty()) {
        (true, _) => "run it as a role that has the privilege".to_owned(),
        (false, true) => format!("the role lacks {}", missing.join("; ")),
        (false, false) => {
            let grants = missing.iter().map(|grant| format!("`GRANT {grant} TO {role}`"));
            format!("run {}, as the owner", grants.collect::<Vec<_>>().join(", "))
        }
    };
    Error::Forbidden {
        doing,
        message: failed.message.clone(),
        sqlstate: failed.sqlstate.clone().unwrap_or_default(),
        hint,
    }
}

/// The session's role, quoted, and the privileges that it lacks on the job's tables and on those of its state.
async fn missing(
    client: &Client,
    state: &State,
    job: Option<&Job>,
) -> Result<(String, Vec<String>), tokio_postgres::Error> {
    // The statement's names are resolved under its own search path.
    client.batch_execute(&format!("BEGIN;{}", job.map(path::enter).unwrap_or_default())).await?;
    let missing = missing_within(client, state, job).await;
    client.batch_execute("ROLLBACK").await?;
    missing
}

async fn missing_within(
    client: &Client,
    state: &State,
    job: Option<&Job>,
) -> Result<(String, Vec<String>), tokio_postgres::Error> {
    let needed = needed(state, job);
    let names: Vec<&str> = needed.iter().map(|(name, _)| name.as_str()).collect();
    let privileges: Vec<&str> = needed.iter().map(|(_, privilege)| *privilege).collect();
    // Not to_regclass: it fails without USAGE on the schema. Batches name partitions directly, so the role needs privileges on
    // each.
    let sql = "WITH RECURSIVE named (oid, privilege) AS ( \
            SELECT c.oid, w.privilege FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS w (name, privilege), \
                pg_catalog.parse_ident(w.name) AS parts JOIN pg_catalog.pg_class c ON true \
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relname = parts[pg_catalog.cardinality(parts)] AND CASE WHEN pg_catalog.cardinality(parts) > 1 \
                THEN n.nspname = parts[pg_catalog.cardinality(parts) - 1] \
                ELSE n.nspname = ANY (pg_catalog.current_schemas(true)) END \
            UNION SELECT i.inhrelid, named.privilege FROM named JOIN pg_catalog.pg_inherits i ON i.inhparent = named.oid), \
        tables AS (SELECT DISTINCT named.*, n.oid AS schema, n.nspname, c.relname FROM named \
            JOIN pg_catalog.pg_class c ON c.oid = named.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) \
        SELECT pg_catalog.quote_ident(current_user), grants FROM ( \
            SELECT 1, pg_catalog.format('USAGE ON SCHEMA %I', nspname) FROM tables \
            WHERE NOT pg_catalog.has_schema_privilege(schema, 'USAGE') \
            UNION SELECT 2, pg_catalog.format('%s ON %I.%I', pg_catalog.string_agg(privilege, ', ' ORDER BY privilege), nspname, relname) \
            FROM tables WHERE NOT CASE privilege WHEN 'DELETE' THEN pg_catalog.has_table_privilege(oid, privilege) \
                ELSE pg_catalog.has_any_column_privilege(oid, privilege) END GROUP BY nspname, relname \
            UNION SELECT 3, pg_catalog.format('CREATE ON SCHEMA %I', nspname) FROM pg_catalog.pg_namespace \
            WHERE $3 AND nspname::pg_catalog.text = $4 AND NOT pg_catalog.has_schema_privilege(oid, 'CREATE') \
        ) AS missing (n, grants) ORDER BY n, grants";
    let keeps = job.is_some_and(|job| job.journal.is_none() && !job.directive.undo.is_empty());
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
        (&names, Type::TEXT_ARRAY),
        (&privileges, Type::TEXT_ARRAY),
        (&keeps, Type::BOOL),
        (&state.schema(), Type::TEXT),
    ];
    let rows = client.query_typed(sql, &parameters).await?;
    let grants: Vec<String> = rows.iter().map(|row| row.get(1)).collect();
    match rows.first() {
        Some(row) => Ok((row.get(0), grants)),
        None => {
            let row = client.query_typed_one("SELECT pg_catalog.quote_ident(current_user)", &[]).await?;
            Ok((row.get(0), grants))
        }
    }
}

/// Tables and the privileges that the job needs on them.
fn needed(state: &State, job: Option<&Job>) -> Vec<(String, &'static str)> {
    let mut needed: Vec<(String, &str)> = Vec::new();
    for (name, privileges) in STATE {
        needed.extend(privileges.iter().map(|privilege| (state.sql(name).into_owned(), *privilege)));
    }
    let Some(job) = job else { return needed };
    if let Some(journal) = &job.journal {
        let privileges =
            if job.is_undo() { ["SELECT", "DELETE"].iter() } else { ["SELECT", "INSERT"].iter() };
        needed.extend(privileges.map(|privilege| (journal.clone(), *privilege)));
        // ON CONFLICT DO UPDATE journals a row that is visited again.
        needed.push((journal.clone(), "UPDATE"));
    }
    needed.push((job.directive.table.clone(), "SELECT"));
    let shape = Shape::of(&job.statement, &job.directive);
    for part in shape.iter().flat_map(|shape| &shape.parts) {
        for write in &part.writes {
            needed.extend((!write.sets.is_empty()).then(|| (write.name.clone(), "UPDATE")));
            needed.extend(write.inserts.then(|| (write.name.clone(), "INSERT")));
            // RETURNING reads the rows that are journaled.
            let reads = write.inserts && job.directive.undo.inserted().is_some();
            needed.extend(reads.then(|| (write.name.clone(), "SELECT")));
        }
        needed.extend(part.deletes().map(|name| (name, "DELETE")));
    }
    needed
}

/// The privilege that the server's message says is missing, in the syntax of GRANT, and the object.
fn denied(message: &str) -> Option<(&'static str, &str)> {
    let rest = message.strip_prefix("permission denied for ")?;
    let (kind, object) = rest.split_once(' ')?;
    let grant = match kind {
        "table" | "view" | "relation" => "SELECT ON",
        "schema" => "USAGE ON SCHEMA",
        "function" => "EXECUTE ON FUNCTION",
        "procedure" => "EXECUTE ON PROCEDURE",
        "sequence" => "USAGE, SELECT ON SEQUENCE",
        _ => return None,
    };
    Some((grant, object))
}

/// The schema that a statement names before an object, with its dot.
fn schema_of(statement: &str, object: &str) -> Option<String> {
    let tokens = Tokens::of(statement);
    let named = |at: &usize| tokens.text(at - 1) == "." && unquoted(tokens.text(*at)) == object;
    let at = (2..tokens.len()).find(named)?;
    Some(format!("{}.", tokens.text(at - 2)))
}

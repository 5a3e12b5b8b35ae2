//! CREATE INDEX CONCURRENTLY: an existing index of that name is compared with the intended one before anything is built or
//! counted.

use refit_model::ConcurrentIndex;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{Oid, Type};
use tracing::warn;

use super::Current;
use super::begun::Sent;
use super::leftovers::{BUSY, PATIENCE};
use crate::error::Error;
use crate::exec::failure::Attempt;
use crate::exec::step::StepContext;
use crate::queries::Queries;

/// What an error names as the action; it requires the TEMPORARY privilege.
pub(crate) const COMPARING: &str = "comparing an existing index with the intended one";

/// The relation that has the name of the index.
struct Found {
    oid: Oid,
    /// Qualified and quoted.
    name: String,
    is_index: bool,
    /// The intended table, qualified and quoted.
    intended_table: String,
    /// That table's name without its schema, quoted.
    table_name: String,
    /// The table that it is on, if it is an index.
    table: Option<String>,
    valid: bool,
    /// Whether another session may be building it.
    busy: bool,
}

/// What to do next.
enum Next {
    Build,
    /// The index exists: count the statement.
    Count,
}

impl StepContext<'_> {
    /// Drops what an interrupted attempt left, builds the index, and accepts only a valid index that is the intended one.
    pub(super) async fn concurrent_index(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
        index: &ConcurrentIndex<'_>,
    ) -> Result<Result<(), Attempt>, Error> {
        if let Next::Count = self.prepare_index(current, sent, index).await? {
            sent.complete = true;
            return Ok(self.count_alone(current).await);
        }
        if !sent.before {
            sent.leftovers = self.invalid_on(&index.table).await?;
        }
        self.begin(current, sent, true).await?;
        if let Err(failed) = self.send_alone(current).await {
            let existed = failed.error.code() == Some(&tokio_postgres::error::SqlState::DUPLICATE_TABLE);
            if existed && super::alone::reported_by_server(self.client, &failed) {
                self.withdraw(current, sent).await;
            }
            return Ok(Err(failed));
        }
        // IF NOT EXISTS accepts any relation of that name, even one that another session has just created.
        match self.found_index(index).await? {
            Some(found) if !found.valid || found.table.as_ref() != Some(&found.intended_table) => {
                self.withdraw(current, sent).await;
                Err(Error::IndexBeingBuilt { path: current.step.path.to_owned(), index: found.name })
            }
            _ => {
                sent.complete = true;
                Ok(self.count_alone(current).await)
            }
        }
    }

    /// Examines the relation of that name until it is clear what to do.
    async fn prepare_index(
        &self,
        current: &Current<'_>,
        sent: &Sent,
        index: &ConcurrentIndex<'_>,
    ) -> Result<Next, Error> {
        let deadline = Instant::now() + PATIENCE;
        let refuse = |what: String, instead: &str| Error::Exists {
            path: current.step.path.to_owned(),
            position: current.step.sql.position(current.statement().offset),
            what,
            instead: instead.to_owned(),
        };
        loop {
            let Some(found) = self.found_index(index).await? else { return Ok(Next::Build) };
            let name = &found.name;
            // Without IF NOT EXISTS, the server rejects the statement if the relation existed before.
            let compares_existing = sent.before || index.if_not_exists;
            if !found.is_index {
                if compares_existing {
                    let what = format!("{name} exists and is not an index");
                    return Err(refuse(what, "rename one of the two"));
                }
                return Ok(Next::Build);
            }
            if found.table.as_ref() != Some(&found.intended_table) {
                if compares_existing {
                    let table = found.table.unwrap_or_default();
                    return Err(refuse(format!("index {name} exists on {table}"), "rename one of the two"));
                }
                return Ok(Next::Build);
            }
            if !found.valid {
                if found.busy {
                    if !self.wait_for_build(name, deadline).await {
                        let path = current.step.path.to_owned();
                        return Err(Error::IndexBeingBuilt { path, index: found.name });
                    }
                } else if sent.before && sent.same_text && !sent.leftovers.contains(&found.oid) {
                    self.drop_index(current.step, current.index, name).await?;
                } else {
                    let what =
                        format!("index {name} exists and is invalid, and this migration did not leave it");
                    let instead = format!("drop it with `DROP INDEX CONCURRENTLY {name}`, then run again");
                    return Err(refuse(what, &instead));
                }
                continue;
            }
            if !compares_existing {
                return Ok(Next::Build);
            }
            if self.is_as_intended(index, &found).await? {
                warn!(index = name, "the index is complete");
                return Ok(Next::Count);
            }
            let what = format!("index {name} exists with another definition");
            return Err(refuse(what, "drop or rename that index, or change the name in the migration"));
        }
    }

    /// The relation that has the name of the index, in the schema of its table.
    async fn found_index(&self, index: &ConcurrentIndex<'_>) -> Result<Option<Found>, Error> {
        let sql = format!(
            "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind IN ('i', 'I'), \
                    pg_catalog.format('%I.%I', n.nspname, target.relname), pg_catalog.quote_ident(target.relname), \
                    (SELECT pg_catalog.format('%I.%I', n.nspname, relname) FROM pg_catalog.pg_class \
                     WHERE oid = i.indrelid), \
                    coalesce(i.indisvalid, false), coalesce({BUSY}, false) \
             FROM pg_catalog.pg_class AS target \
             JOIN pg_catalog.pg_class AS c ON c.relnamespace = target.relnamespace AND c.relname::pg_catalog.text = $2 \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid \
             WHERE target.oid = $1"
        );
        let (table, name) = (self.relation(&index.table).await?, index.name.clone().unwrap_or_default());
        let rows =
            self.look("looking for an index", &sql, &[(&table, Type::OID), (&name, Type::TEXT)]).await?;
        Ok(rows.first().map(|row| Found {
            oid: row.get(0),
            name: row.get(1),
            is_index: row.get(2),
            intended_table: row.get(3),
            table_name: row.get(4),
            table: row.get(5),
            valid: row.get(6),
            busy: row.get(7),
        }))
    }

    /// The invalid indexes on a table.
    async fn invalid_on(&self, table: &[String]) -> Result<Vec<Oid>, Error> {
        let sql = "SELECT indexrelid FROM pg_catalog.pg_index WHERE NOT indisvalid AND indrelid = $1";
        let table = self.relation(table).await?;
        let rows = self.look("looking for an invalid index", sql, &[(&table, Type::OID)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Whether a valid index is the one that the statement would create: the same index is created on an empty copy of the table,
    /// in a transaction that is rolled back, and the server's definitions of both are compared.
    async fn is_as_intended(&self, index: &ConcurrentIndex<'_>, found: &Found) -> Result<bool, Error> {
        // The copy has the table's name, and the index its own: expressions may name them.
        let table = &found.table_name;
        let name = postgres_protocol::escape::escape_identifier(index.name.as_deref().unwrap_or_default());
        let copy = postgres_protocol::escape::escape_literal(&format!("pg_temp.{name}"));
        // The definition from the table's name on: servers differ in how they name the schema of a temporary table.
        let words = |oid: &str| {
            format!(
                "SELECT is_unique, CASE WHEN pg_catalog.starts_with(rest, plain) \
                     THEN pg_catalog.substr(rest, pg_catalog.length(plain)) \
                     ELSE pg_catalog.substr(rest, pg_catalog.length(temporary)) END AS words \
                 FROM (SELECT i.indisunique AS is_unique, pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), \
                           pg_catalog.length(pg_catalog.format('CREATE %sINDEX %I ON ', \
                               CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname)) + 1) AS rest, \
                       pg_catalog.format('%I.%I ', n.nspname, t.relname) AS plain, \
                       pg_catalog.format('%I.%I ', 'pg_temp', t.relname) AS temporary \
                     FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
                     JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid \
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace WHERE i.indexrelid = {oid}) AS parts"
            )
        };
        let sql = format!(
            "BEGIN;CREATE TEMPORARY TABLE {table} (LIKE {});\
             CREATE {}INDEX {name} ON pg_temp.{table} {}\n;{}\
             SELECT a.is_unique = b.is_unique AND a.words = b.words FROM ({}) AS a, ({}) AS b;ROLLBACK",
            found.intended_table,
            if index.unique { "UNIQUE " } else { "" },
            index.definition,
            crate::pin::pin_local_sql(),
            words(&found.oid.to_string()),
            words(&format!("pg_catalog.to_regclass({copy})::pg_catalog.oid")),
        );
        match self.client.simple_query_boxed(&sql).await {
            Ok(messages) => Ok(messages.iter().any(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
                _ => false,
            })),
            Err(error) => {
                self.client.batch_execute_boxed("ROLLBACK").await.ok();
                Err(Error::database(COMPARING)(error))
            }
        }
    }
}

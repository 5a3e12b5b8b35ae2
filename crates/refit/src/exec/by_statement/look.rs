//! Looking at the catalogs between two statements of a text, on a session that the text has made its own.
//!
//! Invariant: a name means what it means to the text; the queries about it are pinned, and find nothing of the text's.

use tokio_postgres::Row;
use tokio_postgres::types::{Oid, ToSql, Type};

use super::path;
use crate::error::Error;
use crate::exec::step::StepContext;

impl StepContext<'_> {
    /// The relation that a name means to the text; none where there is none.
    pub(super) async fn relation(&self, name: &[String]) -> Result<Option<Oid>, Error> {
        let sql = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
        let row = self.client.query_typed_one(sql, &[(&path(name), Type::TEXT)]).await;
        Ok(row.map_err(Error::database("looking for what a statement is about"))?.get(0))
    }

    /// Runs a query of Refit's own in a transaction of its own.
    pub(super) async fn look(
        &self,
        doing: &'static str,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        let begin = format!("BEGIN;{}", crate::pin::pin_local_sql());
        self.client.batch_execute(&begin).await.map_err(Error::database(doing))?;
        let rows = self.client.query_typed(sql, parameters).await;
        let ended = self.client.batch_execute(if rows.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        let rows = rows.map_err(Error::database(doing))?;
        ended.map_err(Error::database(doing))?;
        Ok(rows)
    }
}

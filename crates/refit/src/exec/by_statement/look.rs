//! Reads the catalogs between two statements of a text, on a session whose settings the text may have changed.
//!
//! Invariant: names are resolved as the text resolves them; the queries about them are pinned, so that nothing in the text's search
//! path affects them.

use tokio_postgres::Row;
use tokio_postgres::types::{Oid, ToSql, Type};

use super::path;
use crate::error::Error;
use crate::exec::step::StepContext;
use crate::queries::Queries;

impl StepContext<'_> {
    /// The relation that a name refers to in the text; `None` if there is none.
    pub(super) async fn relation(&self, name: &[String]) -> Result<Option<Oid>, Error> {
        let sql = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
        let row = self.client.query_one_boxed(sql, &[(&path(name), Type::TEXT)]).await;
        Ok(row.map_err(Error::database("looking for the object of a statement"))?.get(0))
    }

    /// Runs a query of Refit's own in a transaction of its own.
    pub(super) async fn look(
        &self,
        doing: &'static str,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        let begin = format!("BEGIN;{}", crate::pin::pin_local_sql());
        self.client.batch_execute_boxed(&begin).await.map_err(Error::database(doing))?;
        let rows = self.client.query_boxed(sql, parameters).await;
        let ended = self.client.batch_execute_boxed(if rows.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        let rows = rows.map_err(Error::database(doing))?;
        ended.map_err(Error::database(doing))?;
        Ok(rows)
    }
}

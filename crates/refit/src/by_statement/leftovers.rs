//! What an interrupted statement leaves behind, and how the next attempt clears it away: invalid indexes.

use refit_model::StatementKind;
use tokio_postgres::types::{ToSql, Type};
use tracing::warn;

use super::Current;
use crate::error::Error;
use crate::failure::Attempt;
use crate::step::Stage;

/// Invalid indexes by table and name. A name is cut to the length that the server keeps.
const INVALID: &str = "SELECT format('%I.%I', nspname, relname), \
           EXISTS (SELECT FROM pg_stat_progress_create_index AS progress WHERE index_relid = indexrelid) \
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace \
    WHERE NOT indisvalid AND indrelid = to_regclass($1) AND relname = $2::text::name";

/// What an interrupted REINDEX CONCURRENTLY leaves; the manual says to drop it. Those of TOAST tables stay: they cannot be
/// dropped by hand, and go with the next REINDEX of the table.
const HALF_REINDEXED: &str = "SELECT format('%I.%I', nspname, relname), \
           EXISTS (SELECT FROM pg_stat_progress_create_index AS progress WHERE index_relid = indexrelid) \
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace \
    WHERE NOT indisvalid AND relname ~ '_cc(new|old)[0-9]*$' AND nspname <> 'pg_toast'";

impl Stage<'_> {
    /// CREATE INDEX CONCURRENTLY: drops what an interrupted attempt left, builds, and trusts only a valid index.
    ///
    /// The outer error is final; the inner one is the statement's.
    pub(super) async fn concurrent_index(
        &self,
        current: &Current<'_>,
        index: &str,
        table: &[String],
    ) -> Result<Result<(), Attempt>, Error> {
        let table: Vec<String> =
            table.iter().map(|part| postgres_protocol::escape::escape_identifier(part)).collect();
        let table = table.join(".");
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&table, Type::TEXT), (&index, Type::TEXT)];
        self.drop_invalid(INVALID, &parameters).await?;
        if let Err(failed) = self.run_alone(current).await {
            return Ok(Err(failed));
        }
        // IF NOT EXISTS, and an attempt that finds its own effect, are content with any index that is there.
        if let Some((index, _)) = self.invalid(INVALID, &parameters).await?.pop() {
            return Err(Error::IndexBeingBuilt { path: current.step.path.to_owned(), index });
        }
        Ok(self.count_alone(current).await)
    }

    /// Clears away what an interrupted attempt at another statement left.
    pub(super) async fn clear_leftovers(&self, current: &Current<'_>) -> Result<(), Error> {
        let words = current.statement().text.split_whitespace().map(str::to_ascii_uppercase);
        let words: Vec<String> = words.take(12).collect();
        let reindexes = words.first().is_some_and(|word| word == "REINDEX")
            && words.iter().any(|word| word.contains("CONCURRENTLY"));
        if current.interrupted && current.statement().kind == StatementKind::OutsideTransaction && reindexes {
            self.drop_invalid(HALF_REINDEXED, &[]).await?;
        }
        Ok(())
    }

    /// Invalid indexes, and whether somebody is building them right now.
    async fn invalid(
        &self,
        query: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<(String, bool)>, Error> {
        let rows = self.client.query_typed(query, parameters).await;
        let rows = rows.map_err(Error::database("looking for an invalid index"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn drop_invalid(
        &self,
        query: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<(), Error> {
        for (index, being_built) in self.invalid(query, parameters).await? {
            if being_built {
                continue;
            }
            warn!(%index, "dropping an invalid index that an interrupted attempt left");
            let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
            self.client.batch_execute(&sql).await.map_err(Error::database("dropping an invalid index"))?;
        }
        Ok(())
    }
}

//! The rows of a table as a count and a digest that does not depend on their order.

use crate::error::Error;
use crate::session::Session;
use crate::tables::escaped;

/// Count and digest of a table's rows, as a pinned session sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) rows: i64,
    /// The sum of the server's hashes of all rows, each as text.
    pub(crate) sum: String,
}

/// Reads every row of a table, without those of its partitions and children.
pub(crate) async fn digest(session: &Session, schema: &str, name: &str) -> Result<Digest, Error> {
    let table = escaped(schema, name);
    let sql = format!(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(pg_catalog.hashtextextended( \
             (refit_row.*)::pg_catalog.text COLLATE pg_catalog.\"C\", 0)), 0)::pg_catalog.text FROM ONLY {table} AS refit_row"
    );
    let row = session.query_typed_one(&sql, &[]).await;
    let row = row.map_err(Error::database(format!("reading the rows of {table}")))?;
    Ok(Digest { rows: row.get(0), sum: row.get(1) })
}

//! Made-up rows: every table is given some, so that a rehearsal shows what a statement costs on a table that has rows.
//!
//! Types, keys, foreign keys, checks, unique keys, domains, enums and partitions are respected as far as the server can be asked
//! beforehand. The same schema is given the same rows each time. What cannot be filled is said by name, with the reason.

mod catalog;
mod check;
mod fit;
mod insert;
mod later;
mod order;
mod values;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::Error;
use crate::session::open;
use catalog::Catalog;
pub use later::Later;

/// What became of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// The table, qualified where its schema is not `public`; of a partitioned one, the partition.
    pub table: String,
    /// Rows that it has now.
    pub rows: i64,
    /// Why these are fewer than were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The tables that have been seen to, and need not be again.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub(crate) done: BTreeSet<u32>,
    /// All that there were when the rows were made up last.
    seen: BTreeSet<u32>,
    /// Keys that they are to have later.
    pub later: Later,
}

/// Fills every table that has not been seen to up to a number of rows; the partitions of a table share them.
///
/// # Errors
/// When the database cannot be reached or asked about its tables. A table that takes no rows is no error.
pub async fn fill(url: &str, rows: u32, tables: &mut Tables) -> Result<Vec<Filled>, Error> {
    let client = open(url, "refit rehearsal, rows").await?;
    let there = Catalog::tables(&client).await?;
    if there.is_subset(&tables.seen) {
        client.close().await;
        return Ok(Vec::new());
    }
    tables.seen = there;
    let mut catalog = Catalog::read(&client).await?;
    tables.later.add_to(&mut catalog);
    let mut filled = Vec::new();
    for step in order::order(&catalog, &tables.done) {
        let table = &catalog.tables[&step.oid];
        tables.done.insert(step.oid);
        let outcome = match &step.reason {
            Some(reason) => Err(reason.clone()),
            None => insert::fill(&client, &catalog, table, &step, rows).await?,
        };
        let (rows, reason) = match outcome {
            Ok((rows, reason)) => (rows, reason),
            Err(reason) => (0, Some(reason)),
        };
        filled.push(Filled { table: table.name.clone(), rows, reason });
    }
    client.close().await;
    Ok(filled)
}

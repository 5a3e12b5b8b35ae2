//! Generated rows: every table gets some, so that a rehearsal shows the cost of a statement on a table with rows.
//!
//! The rows satisfy types, primary, unique and foreign keys, checks, domains, enums and partition constraints, as far as the
//! server can evaluate them beforehand. The same schema always gets the same rows. A table that cannot be filled is reported
//! with the reason.

mod catalog;
mod check;
mod fit;
mod insert;
mod later;
mod order;
mod survival;
mod values;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::Error;
use crate::session::open;
use catalog::Catalog;
pub use later::LaterKeys;
pub use survival::{Outcome, Rows, Survival, remove};

/// The result of filling a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// The table, qualified if its schema is not `public`; the partition of a partitioned table.
    pub table: String,
    /// The number of rows that it has now.
    pub rows: i64,
    /// Why it has fewer rows than requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The tables that have already been filled.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub(crate) done: BTreeSet<u32>,
    /// All tables that existed at the last call of [`fill`].
    seen: BTreeSet<u32>,
    /// Keys that later migrations add.
    pub later: LaterKeys,
}

/// Fills every new table up to the given number of rows; the partitions of a table share them.
///
/// # Errors
/// When connecting to the database or reading its tables fails. A table that cannot be filled is not an error.
pub async fn fill(url: &str, rows: u32, tables: &mut Tables) -> Result<Vec<Filled>, Error> {
    let client = open(url, "rows").await?;
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

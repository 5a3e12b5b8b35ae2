//! What becomes of rows: they are read before statements run, and compared afterwards.

use std::collections::BTreeMap;

use refit::{Connection, REHEARSAL_SCHEMA};
use refit_model::quoted_name;
use serde::Serialize;

use crate::error::Error;

/// What became of the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survival {
    /// Its name before, with its schema.
    pub table: String,
    /// Rows before the statements.
    pub rows: i64,
    /// What became of them.
    pub outcome: Outcome,
}

/// What became of the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The same rows, in all columns that are still there.
    Same,
    /// The same rows, without the columns that are gone.
    WithoutColumns,
    /// As many rows, with other values.
    SameNumber,
    /// Fewer or more rows.
    OtherNumber,
    /// There are no rows any more.
    Emptied,
    /// The table is gone.
    Dropped,
}

/// The rows of all tables before statements run.
#[derive(Debug, Clone)]
pub struct Rows {
    tables: Vec<Table>,
}

#[derive(Debug, Clone)]
struct Table {
    oid: u32,
    name: String,
    columns: Vec<Column>,
    rows: i64,
    /// Of the values of each column, by number.
    digests: BTreeMap<i16, String>,
}

/// A column by its number, which a rename does not change.
#[derive(Debug, Clone)]
struct Column {
    number: i16,
    name: String,
}

/// Ordinary tables outside of the server's schemas and Refit's.
const TABLES: &str = "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), a.attnum, a.attname::pg_catalog.text \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped \
    WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema' \
      AND n.nspname OPERATOR(pg_catalog.!~) '^pg_' AND n.nspname OPERATOR(pg_catalog.<>) $1 ORDER BY 2, 3";

async fn listed(client: &Connection) -> Result<Vec<Table>, Error> {
    let mut tables: Vec<Table> = Vec::new();
    let rows = client.query(TABLES, &[&REHEARSAL_SCHEMA]).await.map_err(Error::database("reading tables"))?;
    for row in rows {
        let oid: u32 = row.get(0);
        if tables.last().is_none_or(|last| last.oid != oid) {
            tables.push(Table {
                oid,
                name: row.get(1),
                columns: Vec::new(),
                rows: 0,
                digests: BTreeMap::new(),
            });
        }
        let (number, name): (Option<i16>, Option<String>) = (row.get(2), row.get(3));
        if let (Some(table), Some(number), Some(name)) = (tables.last_mut(), number, name) {
            table.columns.push(Column { number, name });
        }
    }
    Ok(tables)
}

/// The number of rows, and a digest of the values of each column, whatever the order of rows.
async fn digests(client: &Connection, table: &Table) -> Result<(i64, BTreeMap<i16, String>), Error> {
    let each = table.columns.iter().map(|column| {
        let text = format!("coalesce({}::pg_catalog.text, '')", quoted_name(&column.name));
        format!(", coalesce(pg_catalog.sum(pg_catalog.hashtextextended({text}, 0)), 0)::pg_catalog.text")
    });
    let sql = format!("SELECT pg_catalog.count(*){} FROM ONLY {}", each.collect::<String>(), table.name);
    let row = client.query_one(&sql, &[]).await.map_err(Error::database("reading rows"))?;
    let digests = table.columns.iter().enumerate().map(|(place, column)| (column.number, row.get(place + 1)));
    Ok((row.get(0), digests.collect()))
}

/// Removes the rows of all tables.
///
/// # Errors
/// [`Error::Database`] when the server refuses it.
pub async fn remove(client: &Connection) -> Result<(), Error> {
    let names: Vec<String> = listed(client).await?.into_iter().map(|table| table.name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let sql = format!("TRUNCATE {} CASCADE", names.join(", "));
    client.batch_execute(&sql).await.map_err(Error::database("removing rows"))
}

impl Rows {
    /// Reads the rows of all tables.
    ///
    /// # Errors
    /// [`Error::Database`] when the server refuses it.
    pub async fn read(client: &Connection) -> Result<Rows, Error> {
        let mut tables = listed(client).await?;
        for table in &mut tables {
            (table.rows, table.digests) = digests(client, table).await?;
        }
        Ok(Rows { tables })
    }

    /// Compares with the rows that are there now.
    ///
    /// # Errors
    /// [`Error::Database`] when the server refuses it.
    pub async fn compare(self, client: &Connection) -> Result<Vec<Survival>, Error> {
        let now = listed(client).await?;
        let mut found = Vec::new();
        for before in self.tables.into_iter().filter(|table| table.rows > 0) {
            let outcome = match now.iter().find(|table| table.oid == before.oid) {
                None => Outcome::Dropped,
                Some(table) => compared(client, &before, table).await?,
            };
            found.push(Survival { table: before.name, rows: before.rows, outcome });
        }
        Ok(found)
    }
}

async fn compared(client: &Connection, before: &Table, now: &Table) -> Result<Outcome, Error> {
    let (rows, digests) = digests(client, now).await?;
    let mut kept = before.digests.iter().filter(|(number, _)| digests.contains_key(number));
    Ok(match rows {
        0 => Outcome::Emptied,
        rows if rows != before.rows => Outcome::OtherNumber,
        _ if kept.clone().count() < before.digests.len()
            && kept.clone().all(|(number, digest)| digests[number] == *digest) =>
        {
            Outcome::WithoutColumns
        }
        _ if kept.all(|(number, digest)| digests[number] == *digest) => Outcome::Same,
        _ => Outcome::SameNumber,
    })
}

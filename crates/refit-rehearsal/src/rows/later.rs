//! Keys that later migrations add: rows generated earlier must not violate them.
//!
//! All files run once without rows, on a copy of the database. Generated rows satisfy the unique and foreign keys that the
//! table of the same name has there.

use std::collections::BTreeMap;

use postgres_protocol::escape::escape_identifier;

use super::catalog::{Catalog, ForeignKey, Table};
use crate::error::Error;
use crate::execute::{Options, Session};
use crate::file::{File, in_order};
use crate::session::{open, runner};

/// The keys that tables have after all migrations, by table name.
#[derive(Debug, Clone, Default)]
pub struct LaterKeys {
    tables: BTreeMap<String, Keys>,
}

#[derive(Debug, Clone, Default)]
struct Keys {
    unique: Vec<Vec<String>>,
    /// Columns, the referenced table, and its columns.
    foreign: Vec<(Vec<String>, String, Vec<String>)>,
}

impl LaterKeys {
    /// The keys that exist after all files have run, or after those before the first failure; none if the database cannot be
    /// copied. No other session may be connected to it.
    ///
    /// # Errors
    /// When a query on the database or its copy fails.
    pub async fn of(url: &str, files: &[File]) -> Result<LaterKeys, Error> {
        let client = open(url, "keys").await?;
        let failed = Error::database("copying the database");
        let sql = "SELECT pg_catalog.current_database()::text";
        let row = client.query_one(sql, &[]).await.map_err(&failed)?;
        let (here, copy) = (row.get::<_, String>(0), format!("{}_keys", row.get::<_, String>(0)));
        let copied = escape_identifier(&copy);
        let make = format!("CREATE DATABASE {copied} TEMPLATE {}", escape_identifier(&here));
        if client.batch_execute(&make).await.is_err() {
            // Another session is connected, or the role lacks CREATEDB: rows are generated without the keys.
            client.close().await;
            return Ok(LaterKeys::default());
        }
        let separator = if url.contains('?') { '&' } else { '?' };
        let later = read(&format!("{url}{separator}dbname={copy}"), files).await;
        let drop = format!("DROP DATABASE {copied} WITH (FORCE)");
        client.batch_execute(&drop).await.map_err(&failed)?;
        client.close().await;
        later
    }

    /// Adds the keys to the existing tables that have the columns.
    pub(super) fn add_to(&self, catalog: &mut Catalog) {
        let numbers = |table: &Table, names: &[String]| -> Option<Vec<i16>> {
            let number = |name: &String| table.columns.iter().find(|column| column.name == *name);
            names.iter().map(|name| number(name).map(|column| column.number)).collect()
        };
        let mut found: Vec<(u32, Vec<Vec<i16>>, Vec<ForeignKey>)> = Vec::new();
        for table in catalog.tables.values() {
            let Some(keys) = self.tables.get(&table.name) else { continue };
            let unique = keys.unique.iter().filter_map(|names| numbers(table, names)).collect();
            let foreign = keys.foreign.iter().filter_map(|(columns, target, referenced)| {
                let target = catalog.tables.values().find(|other| other.name == *target)?;
                let columns = numbers(table, columns)?;
                Some(ForeignKey { columns, table: target.oid, referenced: numbers(target, referenced)? })
            });
            found.push((table.oid, unique, foreign.collect()));
        }
        for (oid, unique, foreign) in found {
            let Some(table) = catalog.tables.get_mut(&oid) else { continue };
            let is_new = |key: &ForeignKey| {
                !table
                    .foreign_keys
                    .iter()
                    .any(|known| known.columns == key.columns && known.table == key.table)
            };
            let foreign: Vec<ForeignKey> = foreign.into_iter().filter(is_new).collect();
            table.foreign_keys.extend(foreign);
            table.unique.extend(unique);
        }
    }
}

async fn read(url: &str, files: &[File]) -> Result<LaterKeys, Error> {
    // One batch is enough: only the schema matters.
    let options = Options { batches: 1, transaction_control: true, ..Options::default() };
    let runner = runner(url).await?;
    let session = Session::begin(url, &runner, &options).await?;
    for (file, _) in in_order(files) {
        let untraced = File { traced: false, ..file.clone() };
        if session.file(&untraced, false).await?.iter().any(|statement| statement.failure.is_some()) {
            break;
        }
    }
    session.end().await;
    let catalog = Catalog::read(&runner).await;
    runner.close().await;
    let catalog = catalog?;
    let names = |table: &Table, numbers: &[i16]| -> Vec<String> {
        numbers.iter().filter_map(|number| table.column(*number)).map(|column| column.name.clone()).collect()
    };
    let keys = |table: &Table| Keys {
        unique: table
            .unique
            .iter()
            .map(|numbers| names(table, numbers))
            .filter(|names| !names.is_empty())
            .collect(),
        foreign: table
            .foreign_keys
            .iter()
            .filter_map(|key| {
                let target = catalog.tables.get(&key.table)?;
                Some((names(table, &key.columns), target.name.clone(), names(target, &key.referenced)))
            })
            .collect(),
    };
    let tables = catalog.tables.values().map(|table| (table.name.clone(), keys(table))).collect();
    Ok(LaterKeys { tables })
}
